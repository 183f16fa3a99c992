/*-------------------------------------------------------------------------
 *
 * risks.h
 *	  Whether what a queue or an exchange is gives reason to fear for events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RISKS_H
#define CDR_RISKS_H

#include "broker/facts.h"
#include "broker/warnings.h"

/* A delivery limit that is never reached. */
#define CDR_NO_LIMIT PG_INT32_MAX

/*
 * What becomes of a message that the queue takes away.  The default exchange
 * moves it to the queue that the dead-letter routing key names, or else the
 * message's own.
 */
typedef enum CdrDeadLetters
{
	CDR_LETTERS_DROPPED, /* there is no dead-letter exchange */
	CDR_LETTERS_TO_EXCHANGE,
	CDR_LETTERS_TO_QUEUE,
	CDR_LETTERS_BY_KEY, /* to a queue of that name, if there is any */
	CDR_LETTERS_NO_EXCHANGE,
	CDR_LETTERS_NO_QUEUE /* what is named is not there */
} CdrDeadLetters;

/* Warns of what the queue of the session loses, hides or shares by itself. */
extern void
cdr_risks_of_queue(const CdrSession *session, const CdrFacts *facts,
				   CdrDeadLetters letters, CdrWarnings *warnings);

/* Warns of what the exchange of the session may not let through. */
extern void
cdr_risks_of_exchange(const CdrSession *session, const CdrFacts *facts,
					  CdrWarnings *warnings);

#endif /* CDR_RISKS_H */
