/*-------------------------------------------------------------------------
 *
 * timeless.h
 *	  The table timeless_events: the keys of events that may come again with
 *	  another time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TIMELESS_H
#define CDR_TIMELESS_H

#include "event/event.h"
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_timeless_statements[];

/*
 * Enters the keys of those of some sorted events that are known by them, and waits for whoever is entering the same.  One that was there already gets
 * the time that it came with first, and is marked in repeated[].
 */
extern void cdr_timeless_claim(CdrEvent **events, int count, bool *repeated);

/*
 * Gives events the times that they came with first, without claiming anything;
 * leaves those in the array that are not known by keys, or have one.  Returns how many.
 */
extern int cdr_timeless_find(CdrEvent **events, int count);

#endif /* CDR_TIMELESS_H */
