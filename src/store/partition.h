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

#include "store/catalog.h"

/*
 * Makes the partitions that are missing between two times, both included, in
 * the caller's transaction, and moves rows of that time out of the default
 * partition.  Returns how many it made.
 */
extern int cdr_partition_create(const CdrTables *tables, TimestampTz from,
								TimestampTz to);

/*
 * Makes the partitions for this interval and the next one, in a transaction
 * of its own; for the worker.  Trouble is logged and returned as false with
 * the error's SQLSTATE and message: events go to the default partition until
 * it is over.
 */
extern bool
cdr_partition_maintain(char sqlstate[6], char *error, size_t error_size);

#endif /* CDR_PARTITION_H */
