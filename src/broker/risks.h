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
 * Warns of what the queue of the session loses, hides or shares by itself.
 * dead_letters_lost says that its dead-letter exchange is not there.
 */
extern void
cdr_risks_of_queue(const CdrSession *session, const CdrFacts *facts,
				   bool dead_letters_lost, CdrWarnings *warnings);

/* Warns of what the exchange of the session may not let through. */
extern void
cdr_risks_of_exchange(const CdrSession *session, const CdrFacts *facts,
					  CdrWarnings *warnings);

#endif /* CDR_RISKS_H */
