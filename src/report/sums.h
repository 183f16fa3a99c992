/*-------------------------------------------------------------------------
 *
 * sums.h
 *	  All that is counted of a call's times.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REPORT_SUMS_H
#define CDR_REPORT_SUMS_H

#include "datatype/timestamp.h"

/* The order in which they are returned. */
enum
{
	CDR_SUM_CALLS,
	CDR_SUM_WITHOUT_START,
	CDR_SUM_OPEN,
	CDR_SUM_DECIDED,
	CDR_SUM_ANSWERED,
	CDR_SUM_TALKS,
	CDR_SUM_SHORT,
	/* how long was talked: in parts, of which no number of calls makes too much */
	CDR_SUM_DAYS,
	CDR_SUM_SECONDS,
	CDR_SUM_MICROSECONDS,
	CDR_NSUMS
};

/* The times of a call, where they are known: arguments from a number on. */
typedef struct CdrCallTimes
{
	bool		has_start;
	bool		has_answer;
	bool		has_end;
	TimestampTz answer;
	TimestampTz end;
} CdrCallTimes;

extern void cdr_sums_put(int64 *sums, const CdrCallTimes *times);

/* From the arguments start, answer and end, the first of them of that number. */
#define CDR_CALL_TIMES_ARGS(number)                          \
	{                                                        \
		.has_start = !PG_ARGISNULL(number),                  \
		.has_answer = !PG_ARGISNULL((number) + 1),           \
		.has_end = !PG_ARGISNULL((number) + 2),              \
		.answer = PG_ARGISNULL((number) + 1)                 \
					  ? 0                                    \
					  : PG_GETARG_TIMESTAMPTZ((number) + 1), \
		.end = PG_ARGISNULL((number) + 2)                    \
				   ? 0                                       \
				   : PG_GETARG_TIMESTAMPTZ((number) + 2)     \
	}

#endif /* CDR_REPORT_SUMS_H */
