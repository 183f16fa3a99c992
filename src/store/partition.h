/*-------------------------------------------------------------------------
 *
 * partition.h
 *	  The partitions of call_events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PARTITION_H
#define CDR_PARTITION_H

#include "datatype/timestamp.h"

#include "base/reason.h"
#include "store/tables.h"

/*
 * Makes the partitions that are missing between two times, both included, in
 * the caller's transaction, which holds cdr_lock_partitions(), and moves rows of that time out of the default
 * partition.  Returns how many it made.
 */
extern int cdr_partition_create(const CdrTables *tables, TimestampTz from,
								TimestampTz to);

/*
 * Makes the partitions for this interval and the next one, in a transaction
 * of its own; for the worker.  Trouble is logged and returned as false with
 * the reason: events go to the default partition until
 * it is over.
 */
extern bool cdr_partition_maintain(CdrReasonBuffer *reason);

/*
 * The same for a time of late events that is due (late.h), if there is one: each
 * locks the default partition, so that batches should go between.  One that fails
 * keeps no other from being made.
 */
extern bool cdr_partition_make_late(CdrReasonBuffer *reason);

/*
 * Are there partitions for events of now, for those from now on to the end of the
 * next interval, and one for all others?  Needs the tables locked, and fit.
 */
extern void cdr_partition_look(const CdrTables *tables, bool *now, bool *next,
							   bool *fallback);

#endif /* CDR_PARTITION_H */
