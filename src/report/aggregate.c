/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  What the aggregates of this room have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/nodeHash.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "report/aggregate.h"

/* Beyond what a hash of groups may take, of all groups together. */
#define MEMORY_MAX ((Size) 64 * 1024 * 1024)

MemoryContext
cdr_aggregate_context(FunctionCallInfo fcinfo, const char *name)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("%s() is for the aggregate only", name)));
	return context;
}

void
cdr_aggregate_grow(MemoryContext context, Size bytes)
{
	if (bytes > MaxAllocSize ||
		MemoryContextMemAllocated(context, true) + bytes >
			get_hash_memory_limit() + MEMORY_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many calls to keep in memory"),
						errhint("Ask for less time.")));
}

void
cdr_steps_read(CdrSteps *steps, FunctionCallInfo fcinfo, int number)
{
	Datum *values;
	bool  *nulls;
	int	   count;
	bool   fits;

	if (PG_ARGISNULL(number))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("steps must not be null")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), TIMESTAMPTZOID,
					  sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &count);
	steps->bounds = palloc(Max(count, 1) * sizeof(TimestampTz));
	fits = count >= 2;
	for (int i = 0; i < count && fits; i++)
	{
		steps->bounds[i] = DatumGetTimestampTz(values[i]);
		fits = !nulls[i] && !TIMESTAMP_NOT_FINITE(steps->bounds[i]) &&
			   (i == 0 || steps->bounds[i] > steps->bounds[i - 1]);
	}
	if (!fits)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("steps must be times in ascending order, at "
							   "least two of them"),
						errhint("Take them from cdr_steps().")));
	steps->nsteps = count - 1;
	steps->last = 0;
}

void *
cdr_steps_make(MemoryContext context, FunctionCallInfo fcinfo, int number,
			   Size offset, Size each)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	CdrSteps	  steps;
	CdrSteps	 *result;
	Size		  bytes;

	cdr_steps_read(&steps, fcinfo, number);
	bytes = offset + steps.nsteps * each;
	cdr_aggregate_grow(context, bytes);
	result = palloc0(bytes);
	*result = steps;
	MemoryContextSwitchTo(before);
	return result;
}

int
cdr_steps_find(CdrSteps *steps, TimestampTz time)
{
	const TimestampTz *bounds = steps->bounds;
	int				   low = 0;
	int				   high = steps->nsteps;

	/* calls come in the order of time, mostly */
	if (time >= bounds[steps->last] && time < bounds[steps->last + 1])
		return steps->last;
	if (time < bounds[0] || time >= bounds[high])
		return -1;
	while (high - low > 1)
	{
		int middle = low + (high - low) / 2;

		if (time < bounds[middle])
			high = middle;
		else
			low = middle;
	}
	return steps->last = low;
}

Datum
cdr_aggregate_rows(Datum *values, int count, int width)
{
	int dimensions[2] = {count, width};
	int lower_bounds[2] = {1, 1};

	if (count == 0)
		return PointerGetDatum(construct_empty_array(INT8OID));
	return PointerGetDatum(
		construct_md_array(values, NULL, 2, dimensions, lower_bounds, INT8OID,
						   sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

double
cdr_seconds_between(TimestampTz from, TimestampTz to)
{
	int64 passed = to - from;

	return (double) (passed % USECS_PER_DAY) / 1000000.0 +
		   (double) SECS_PER_DAY * (double) (passed / USECS_PER_DAY);
}
