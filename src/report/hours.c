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

#include "base/compat.h"
#include "base/zone.h"
#include "report/hours.h"

#define QUARTER		  (15 * USECS_PER_MINUTE)
#define QUARTERS_KEPT 4096 /* more than a month has */

typedef struct Quarter
{
	int64 number; /* since 2000 */
	int64 ahead;  /* microseconds */
	bool  is_known;
} Quarter;

struct CdrHours
{
	Quarter quarters[QUARTERS_KEPT];
	text	zone; /* and what follows it */
};

static int64
whole(int64 value, int64 unit)
{
	return value >= 0 ? value / unit : -((-value - 1) / unit) - 1;
}

CdrHours *
cdr_hours_make(MemoryContext context, const text *zone)
{
	Size	  length = VARSIZE_ANY(zone);
	CdrHours *hours =
		MemoryContextAllocZero(context, offsetof(CdrHours, zone) + length);

	memcpy(&hours->zone, zone, length);
	return hours;
}

bool
cdr_hours_are_of(const CdrHours *hours, const text *zone)
{
	Size length = VARSIZE_ANY(zone);

	return VARSIZE_ANY(&hours->zone) == length &&
		   memcmp(&hours->zone, zone, length) == 0;
}

static int64
ahead_at(const CdrHours *hours, TimestampTz at)
{
	return DatumGetTimestamp(
			   cdr_local_timestamp(PointerGetDatum(&hours->zone), at)) -
		   at;
}

/* What the clocks are ahead of UTC. */
static int64
find_ahead(CdrHours *hours, TimestampTz at)
{
	int64		number = whole(at, QUARTER);
	Quarter	   *quarter = &hours->quarters[(uint64) number % QUARTERS_KEPT];
	TimestampTz begin = number * QUARTER;
	TimestampTz last = begin + QUARTER - 1;
	int64		ahead;

	if (quarter->is_known && quarter->number == number)
		return quarter->ahead;
	ahead = ahead_at(hours, at);
	if (IS_VALID_TIMESTAMP(begin) && IS_VALID_TIMESTAMP(last) &&
		ahead == ahead_at(hours, begin) && ahead == ahead_at(hours, last))
		*quarter = (Quarter){number, ahead, true};
	return ahead;
}

Timestamp
cdr_hours_find(CdrHours *hours, TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(at))
		return at;
	return whole(at + find_ahead(hours, at), USECS_PER_HOUR) * USECS_PER_HOUR;
}

PG_FUNCTION_INFO_V1(cdr_local_hour);

Datum
cdr_local_hour(PG_FUNCTION_ARGS)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	const text *zone = PG_GETARG_TEXT_PP(1);

	if (flinfo->fn_extra != NULL && !cdr_hours_are_of(flinfo->fn_extra, zone))
	{
		pfree(flinfo->fn_extra);
		flinfo->fn_extra = NULL;
	}
	if (flinfo->fn_extra == NULL)
		flinfo->fn_extra = cdr_hours_make(flinfo->fn_mcxt, zone);
	PG_RETURN_TIMESTAMP(
		cdr_hours_find(flinfo->fn_extra, PG_GETARG_TIMESTAMPTZ(0)));
}
