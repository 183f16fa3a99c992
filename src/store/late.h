/*-------------------------------------------------------------------------
 *
 * late.h
 *	  Times that batches brought and that have no partition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LATE_H
#define CDR_LATE_H

#include "event/event.h"

/*
 * Notes where in time some events lie that go to the default partition of the
 * table; for the worker, whose maintenance makes partitions for them.
 */
extern void cdr_late_note(Oid log, CdrEvent **events, int count);

/*
 * The next interval that is worth a partition, and forgets it: *time is its
 * start.  False if there is none.
 */
extern bool cdr_late_take(TimestampTz *time);

/* Is there one? */
extern bool cdr_late_is_due(void);

/* It was taken in vain: notes it again. */
extern void cdr_late_put_back(TimestampTz time);

#endif /* CDR_LATE_H */
