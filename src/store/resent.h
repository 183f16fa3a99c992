/*-------------------------------------------------------------------------
 *
 * resent.h
 *	  Events that are sent again with another time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RESENT_H
#define CDR_RESENT_H

#include "event/event.h"
#include "store/call_spans.h"
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_resent_statements[];

/* The table call_events, in the transaction that is about to begin with it. */
extern void cdr_resent_open(Oid log);

/* Is one of some events of such a kind that it may be? */
extern bool cdr_resent_are_among(CdrEvent **events, int count);

/*
 * Drops events that bring their identity from the array, which is sorted, if the log
 * holds them with another time: those that are marked in repeated[], or all of them
 * (NULL).  Returns how many stay; before is what the rows of their calls say, if all
 * were looked for.
 */
extern int cdr_resent_drop(CdrEvent **events, int count, const bool *repeated,
						   CdrCallSpans *before);

/*
 * ERROR if the log holds one of some events, which are in it and merged, with
 * another time as well, because somebody else recorded that at the same moment:
 * unique_violation, or serialization_failure if all were looked up before.  merged are
 * the rows of their calls, but for those that are new.
 */
extern void
cdr_resent_refuse(CdrEvent **events, int count, const CdrCallSpans *before,
				  const CdrCallSpans *merged, bool mostly_new);

#endif /* CDR_RESENT_H */
