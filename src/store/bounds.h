/*-------------------------------------------------------------------------
 *
 * bounds.h
 *	  Where in time the partitions of call_events begin and end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_BOUNDS_H
#define CDR_BOUNDS_H

#include "datatype/timestamp.h"

/* A stretch of time: from is in it, until is not. */
typedef struct CdrStretch
{
	TimestampTz from;
	TimestampTz until;
} CdrStretch;

/*
 * The stretch around a time, from one bound of a partition of the table to the
 * next, -infinity and infinity where there is none.  Returns whether it has a
 * partition of its own; what has none goes to the default partition.
 */
extern bool
cdr_bounds_around(Oid parent, TimestampTz time, CdrStretch *stretch);

/* Has each time between two, both included, a partition of its own? */
extern bool cdr_bounds_cover(Oid parent, TimestampTz from, TimestampTz to);

/*
 * The bound of the last gap before a partition: no time from there on lies in one.
 * -infinity if there is none.
 */
extern TimestampTz cdr_bounds_last_gap(Oid parent);

/* How many partitions the table has, the default one included. */
extern int cdr_bounds_count(Oid parent);

#endif /* CDR_BOUNDS_H */
