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
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_resent_statements[];

/* The table call_events, in the transaction that is about to begin with it. */
extern void cdr_resent_open(Oid log);

/*
 * Drops events that bring their identity from the array, if the log holds them
 * with another time: those that are marked in repeated[], or all of them (NULL).
 * Returns how many stay.
 */
extern int cdr_resent_drop(CdrEvent **events, int count, const bool *repeated);

/*
 * ERROR if the log holds one of some events, which are in it and merged, with
 * another time as well, because somebody else recorded that at the same moment:
 * unique_violation, or serialization_failure if all were looked up before.
 */
extern void cdr_resent_refuse(CdrEvent **events, int count, bool mostly_new);

#endif /* CDR_RESENT_H */
