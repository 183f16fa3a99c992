/*-------------------------------------------------------------------------
 *
 * sums.c
 *	  SQL: an aggregate of all that is counted of a call's times.
 *
 * One in place of eight with a condition each: what a group costs is to call aggregates,
 * not to count.  Its state is an array of numbers, which parallel workers hand on as it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "report/aggregate.h"

/* An answered call that is no longer is a short one. */
#define SHORT_CALL (15 * USECS_PER_SEC)

/* The order in which they are returned. */
enum
{
	SUM_CALLS,
	SUM_WITHOUT_START,
	SUM_OPEN,
	SUM_DECIDED,
	SUM_ANSWERED,
	SUM_TALKS,
	SUM_SHORT,
	/* how long was talked: in parts, of which no number of calls makes too much */
	SUM_DAYS,
	SUM_SECONDS,
	SUM_MICROSECONDS,
	NSUMS
};

/* An array that the aggregate made. */
static ArrayType *
sums_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	ArrayType *array;

	(void) cdr_aggregate_context(fcinfo, name);
	array = PG_ARGISNULL(number) ? NULL : PG_GETARG_ARRAYTYPE_P(number);
	if (array == NULL || ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != NSUMS ||
		ARR_HASNULL(array) || ARR_ELEMTYPE(array) != INT8OID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s() takes an array of %d numbers", name,
							   (int) NSUMS)));
	return array;
}

/* Its numbers, which are written in place. */
static int64 *
sums_of(ArrayType *array)
{
	return (int64 *) ((char *) array + ARR_OVERHEAD_NONULLS(1));
}

static void
add_talk(int64 *sums, TimestampTz answer, TimestampTz end)
{
	uint64 talk = (uint64) end - (uint64) answer;

	sums[SUM_TALKS]++;
	sums[SUM_SHORT] += talk <= SHORT_CALL;
	sums[SUM_DAYS] += (int64) (talk / USECS_PER_DAY);
	sums[SUM_SECONDS] += (int64) (talk % USECS_PER_DAY / USECS_PER_SEC);
	sums[SUM_MICROSECONDS] += (int64) (talk % USECS_PER_SEC);
}

PG_FUNCTION_INFO_V1(cdr_call_sums_add);

Datum
cdr_call_sums_add(PG_FUNCTION_ARGS)
{
	ArrayType *array = sums_argument(fcinfo, 0, __func__);
	int64	  *sums = sums_of(array);
	bool	   is_answered = !PG_ARGISNULL(2);
	bool	   has_ended = !PG_ARGISNULL(3);

	sums[SUM_CALLS]++;
	sums[SUM_WITHOUT_START] += PG_ARGISNULL(1);
	sums[SUM_OPEN] += !has_ended;
	sums[SUM_DECIDED] += is_answered || has_ended;
	sums[SUM_ANSWERED] += is_answered;
	if (is_answered && has_ended)
	{
		TimestampTz answer = PG_GETARG_TIMESTAMPTZ(2);
		TimestampTz end = PG_GETARG_TIMESTAMPTZ(3);

		/* at infinity, by hand: of no length */
		if (end >= answer && !TIMESTAMP_IS_NOBEGIN(answer) &&
			!TIMESTAMP_IS_NOEND(end))
			add_talk(sums, answer, end);
	}
	PG_RETURN_ARRAYTYPE_P(array);
}

PG_FUNCTION_INFO_V1(cdr_call_sums_join);

Datum
cdr_call_sums_join(PG_FUNCTION_ARGS)
{
	ArrayType	*array = sums_argument(fcinfo, 0, __func__);
	int64		*sums = sums_of(array);
	const int64 *more = sums_of(sums_argument(fcinfo, 1, __func__));

	for (int i = 0; i < NSUMS; i++)
		sums[i] += more[i];
	PG_RETURN_ARRAYTYPE_P(array);
}
