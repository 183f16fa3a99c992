/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Retention of the record of who read what.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RETENTION_ACCESS_H
#define CDR_RETENTION_ACCESS_H

#include "datatype/timestamp.h"

typedef struct CdrAccessCount
{
	int64 rows;
	int64 bytes;
	int64 held;
} CdrAccessCount;

/* What would go at a time; false: there is no rule. */
extern bool cdr_access_count(TimestampTz at, CdrAccessCount *count);

/* A step of a run, which takes so many rows at most; returns how many. */
extern int64
cdr_access_retire(TimestampTz at, int max_rows, Datum login, Datum role);

#endif /* CDR_RETENTION_ACCESS_H */
