/*-------------------------------------------------------------------------
 *
 * consumers.h
 *	  Whether others consume from the queue, who then get a part of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CONSUMERS_H
#define CDR_CONSUMERS_H

#include "base/clock.h"
#include "broker/session.h"
#include "broker/warnings.h"

typedef struct CdrConsumers
{
	uint32	  answers;	/* of the session, when we looked last */
	CdrMoment too_many; /* since when there are; 0: there are not */
	CdrMoment asked_at;
	int64	  others;	/* of others, as the warning tells; 0: none */
	bool	  replaced; /* some of ours may count that are no more */
} CdrConsumers;

/* A session has begun to consume. */
extern void
cdr_consumers_begin(CdrConsumers *consumers, const CdrSession *session);

/*
 * Looks at what the broker has answered since, and warns of consumers of
 * others.  Asks again while there are more consumers than workers.  False if
 * the session is lost.
 */
extern bool cdr_consumers_look(CdrConsumers *consumers, CdrSession *session,
							   CdrWarnings *warnings);

#endif /* CDR_CONSUMERS_H */
