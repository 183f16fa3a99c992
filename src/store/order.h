/*-------------------------------------------------------------------------
 *
 * order.h
 *	  The order in which a batch writes its events.
 *
 * One order in every process, that of the unique index of call_events and of
 * the key of calls: so batches of several workers and sessions can wait for each
 * other's rows, but not deadlock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ORDER_H
#define CDR_ORDER_H

#include "event/event.h"

/*
 * Sorts events by call, then by identity, and drops those that repeat another
 * from the array; returns how many stay.
 */
extern int cdr_sort_events(CdrEvent **events, int count);

/* The same; those that repeat another with another time go to others, which has room
 * for all, in that order. */
extern int cdr_sort_events_apart(CdrEvent **events, int count,
								 CdrEvent **others, int *nothers);

#endif /* CDR_ORDER_H */
