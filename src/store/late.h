/*-------------------------------------------------------------------------
 *
 * late.h
 *	  Times that batches brought and that have no partition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LATE_H
#define CDR_LATE_H

#include "datatype/timestamp.h"

#include "event/event.h"

/* Late events of one interval: its start, and the first and last of their times. */
typedef struct CdrLate
{
	TimestampTz interval;
	TimestampTz first;
	TimestampTz last;
} CdrLate;

/*
 * Notes where in time some events lie that go to the default partition of the
 * table; for the worker, whose maintenance makes partitions for them.
 */
extern void cdr_late_note(Oid log, CdrEvent **events, int count);

/* Is there an interval that is worth a partition, and may be tried now? */
extern bool cdr_late_is_due(void);

/* The same, and which. */
extern bool cdr_late_next(CdrLate *late);

/* Its partition was made, or could not be: then it is tried again, later. */
extern void cdr_late_made(const CdrLate *late);
extern void cdr_late_failed(const CdrLate *late);

/* What failed may be tried again at once. */
extern void cdr_late_hurry(void);

#endif /* CDR_LATE_H */
