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
#include "report/sums.h"

/* An answered call that is no longer is a short one. */
#define SHORT_CALL (15 * USECS_PER_SEC)

/* An array that the aggregate made. */
static ArrayType *
sums_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	ArrayType *array;

	(void) cdr_aggregate_context(fcinfo, name);
	array = PG_ARGISNULL(number) ? NULL : PG_GETARG_ARRAYTYPE_P(number);
	if (array == NULL || ARR_NDIM(array) != 1 ||
		ARR_DIMS(array)[0] != CDR_NSUMS || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != INT8OID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s() takes an array of %d numbers", name,
							   (int) CDR_NSUMS)));
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

	sums[CDR_SUM_TALKS]++;
	sums[CDR_SUM_SHORT] += talk <= SHORT_CALL;
	sums[CDR_SUM_DAYS] += (int64) (talk / USECS_PER_DAY);
	sums[CDR_SUM_SECONDS] += (int64) (talk % USECS_PER_DAY / USECS_PER_SEC);
	sums[CDR_SUM_MICROSECONDS] += (int64) (talk % USECS_PER_SEC);
}

void
cdr_sums_put(int64 *sums, const CdrCallTimes *times)
{
	sums[CDR_SUM_CALLS]++;
	sums[CDR_SUM_WITHOUT_START] += !times->has_start;
	sums[CDR_SUM_OPEN] += !times->has_end;
	sums[CDR_SUM_DECIDED] += times->has_answer || times->has_end;
	sums[CDR_SUM_ANSWERED] += times->has_answer;
	/* at infinity, by hand: of no length */
	if (times->has_answer && times->has_end && times->end >= times->answer &&
		!TIMESTAMP_IS_NOBEGIN(times->answer) &&
		!TIMESTAMP_IS_NOEND(times->end))
		add_talk(sums, times->answer, times->end);
}

PG_FUNCTION_INFO_V1(cdr_call_sums_add);

Datum
cdr_call_sums_add(PG_FUNCTION_ARGS)
{
	ArrayType	*array = sums_argument(fcinfo, 0, __func__);
	CdrCallTimes times = CDR_CALL_TIMES_ARGS(1);

	cdr_sums_put(sums_of(array), &times);
	PG_RETURN_ARRAYTYPE_P(array);
}

PG_FUNCTION_INFO_V1(cdr_call_sums_join);

Datum
cdr_call_sums_join(PG_FUNCTION_ARGS)
{
	ArrayType	*array = sums_argument(fcinfo, 0, __func__);
	int64		*sums = sums_of(array);
	const int64 *more = sums_of(sums_argument(fcinfo, 1, __func__));

	for (int i = 0; i < CDR_NSUMS; i++)
		sums[i] += more[i];
	PG_RETURN_ARRAYTYPE_P(array);
}
