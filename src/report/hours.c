/*-------------------------------------------------------------------------
 *
 * hours.c
 *	  SQL: the hour that the clocks of a zone show at a time.
 *
 * As date_trunc('hour', at AT TIME ZONE zone).  Looking a zone up takes longer than all
 * else that is counted of a call, and calls are many in a quarter of an hour: so what the
 * clocks are ahead of UTC is remembered of some thousand quarters, where it is the same
 * in all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/zone.h"

#define QUARTER		  (15 * USECS_PER_MINUTE)
#define QUARTERS_KEPT 4096 /* more than a month has */

typedef struct Quarter
{
	int64 number; /* since 2000 */
	int64 ahead;  /* microseconds */
	bool  is_known;
} Quarter;

typedef struct Hours
{
	text   *zone;
	Quarter quarters[QUARTERS_KEPT];
} Hours;

static int64
whole(int64 value, int64 unit)
{
	return value >= 0 ? value / unit : -((-value - 1) / unit) - 1;
}

/* What is remembered by this call of the function, for a zone. */
static Hours *
hours_of(FunctionCallInfo fcinfo, const text *zone)
{
	Hours *hours = fcinfo->flinfo->fn_extra;
	Size   length = VARSIZE_ANY(zone);

	if (hours != NULL && VARSIZE_ANY(hours->zone) == length &&
		memcmp(hours->zone, zone, length) == 0)
		return hours;
	if (hours == NULL)
		hours = fcinfo->flinfo->fn_extra =
			MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Hours));
	else
		pfree(hours->zone);
	memset(hours, 0, sizeof(Hours));
	hours->zone = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, length);
	memcpy(hours->zone, zone, length);
	return hours;
}

static int64
ahead_at(const Hours *hours, TimestampTz at)
{
	return DatumGetTimestamp(
			   cdr_local_timestamp(PointerGetDatum(hours->zone), at)) -
		   at;
}

PG_FUNCTION_INFO_V1(cdr_local_hour);

Datum
cdr_local_hour(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
	Hours	   *hours = hours_of(fcinfo, PG_GETARG_TEXT_PP(1));
	int64		number;
	Quarter	   *quarter;
	int64		ahead;

	if (TIMESTAMP_NOT_FINITE(at))
		PG_RETURN_TIMESTAMP(at);
	number = whole(at, QUARTER);
	quarter = &hours->quarters[(uint64) number % QUARTERS_KEPT];
	if (quarter->is_known && quarter->number == number)
		ahead = quarter->ahead;
	else
	{
		TimestampTz begin = number * QUARTER;
		TimestampTz last = begin + QUARTER - 1;

		ahead = ahead_at(hours, at);
		if (IS_VALID_TIMESTAMP(begin) && IS_VALID_TIMESTAMP(last) &&
			ahead == ahead_at(hours, begin) && ahead == ahead_at(hours, last))
			*quarter = (Quarter){number, ahead, true};
	}
	PG_RETURN_TIMESTAMP(whole(at + ahead, USECS_PER_HOUR) * USECS_PER_HOUR);
}
