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

/* Is there an interval that is worth a partition, and may be tried now? */
extern bool cdr_late_is_due(void);

/* The same, and the time at which it starts. */
extern bool cdr_late_next(TimestampTz *time);

/* Its partition was made, or could not be: then it is tried again, later. */
extern void cdr_late_made(TimestampTz time);
extern void cdr_late_failed(TimestampTz time);

/* What failed may be tried again at once. */
extern void cdr_late_hurry(void);

#endif /* CDR_LATE_H */
