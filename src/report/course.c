/*-------------------------------------------------------------------------
 *
 * course.c
 *	  SQL: aggregates of the report, which looks once at the calls for all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "report/aggregate.h"

/* ------------------------------------------------------------------------
 * How long it took to answer, counted by lengths that differ by 2 %
 * ------------------------------------------------------------------------
 */

/* From a millisecond to longer than there are times. */
#define LENGTH_FIRST (-346)
#define NLENGTHS	 2048

typedef struct SetupLengths
{
	CdrSteps steps;
	int64	 counts[FLEXIBLE_ARRAY_MEMBER]; /* NLENGTHS of each step */
} SetupLengths;

static int
setup_length(TimestampTz from, TimestampTz to)
{
	double seconds = cdr_seconds_between(from, to);
	double length = floor(50 * log(Max(seconds, 0.001)));

	return (int) Min(length - LENGTH_FIRST, NLENGTHS - 1);
}

PG_FUNCTION_INFO_V1(cdr_setup_lengths_add);

Datum
cdr_setup_lengths_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	SetupLengths *lengths =
		PG_ARGISNULL(0) ? cdr_steps_make(context, fcinfo, 4,
										 offsetof(SetupLengths, counts),
										 NLENGTHS * sizeof(int64))
						: (SetupLengths *) PG_GETARG_POINTER(0);
	int step;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_POINTER(lengths);
	step = cdr_steps_find(&lengths->steps, PG_GETARG_TIMESTAMPTZ(1));
	if (step >= 0)
		lengths->counts[step * NLENGTHS +
						setup_length(PG_GETARG_TIMESTAMPTZ(2),
									 PG_GETARG_TIMESTAMPTZ(3))]++;
	PG_RETURN_POINTER(lengths);
}

PG_FUNCTION_INFO_V1(cdr_setup_lengths_found);

/* Rows of step, length and count. */
Datum
cdr_setup_lengths_found(PG_FUNCTION_ARGS)
{
	SetupLengths *lengths;
	Datum		 *values;
	int			  ncounts;
	int			  count = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	lengths = (SetupLengths *) PG_GETARG_POINTER(0);
	ncounts = lengths->steps.nsteps * NLENGTHS;
	for (int i = 0; i < ncounts; i++)
		count += lengths->counts[i] > 0;
	values =
		palloc_extended((Size) count * 3 * sizeof(Datum), MCXT_ALLOC_HUGE);
	count = 0;
	for (int i = 0; i < ncounts; i++)
	{
		if (lengths->counts[i] == 0)
			continue;
		values[3 * count] = Int64GetDatum(i / NLENGTHS + 1);
		values[3 * count + 1] = Int64GetDatum(i % NLENGTHS + LENGTH_FIRST);
		values[3 * count + 2] = Int64GetDatum(lengths->counts[i]);
		count++;
	}
	PG_RETURN_DATUM(cdr_aggregate_rows(values, count, 3));
}

/* ------------------------------------------------------------------------
 * The busiest minutes
 * ------------------------------------------------------------------------
 */

typedef struct Minute
{
	int64 number; /* since 2000 */
	int64 calls;
	int64 answered;
} Minute;

typedef struct Minutes
{
	int64 first;
	int64 count;
	int64 (*each)[2]; /* calls, and answered ones */
} Minutes;

#define BUSIEST_AT_MOST 10

static int64
minute_of(TimestampTz time)
{
	return time >= 0 ? time / USECS_PER_MINUTE
					 : -((-time - 1) / USECS_PER_MINUTE) - 1;
}

static Minutes *
make_minutes(MemoryContext context, FunctionCallInfo fcinfo)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	CdrSteps	  steps;
	Minutes		 *result = palloc0(sizeof(Minutes));
	Size		  bytes;

	cdr_steps_read(&steps, fcinfo, 3);
	result->first = minute_of(steps.bounds[0]);
	result->count =
		minute_of(steps.bounds[steps.nsteps] - 1) - result->first + 1;
	bytes = (Size) result->count * sizeof(*result->each);
	cdr_aggregate_grow(context, bytes);
	result->each = palloc0(bytes);
	MemoryContextSwitchTo(before);
	return result;
}

PG_FUNCTION_INFO_V1(cdr_busiest_minutes_add);

Datum
cdr_busiest_minutes_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	Minutes		 *minutes = PG_ARGISNULL(0) ? make_minutes(context, fcinfo)
											: (Minutes *) PG_GETARG_POINTER(0);
	int64		  place;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(minutes);
	place = minute_of(PG_GETARG_TIMESTAMPTZ(1)) - minutes->first;
	if (place >= 0 && place < minutes->count)
	{
		minutes->each[place][0]++;
		if (!PG_ARGISNULL(2))
			minutes->each[place][1]++;
	}
	PG_RETURN_POINTER(minutes);
}

/* Into those that are busier, of which the first ones are kept; of equal ones, the earlier. */
static int
insert_minute(Minute *busiest, int count, Minute minute)
{
	int place = count;

	while (place > 0 && busiest[place - 1].calls < minute.calls)
		place--;
	if (place == BUSIEST_AT_MOST)
		return count;
	count = Min(count + 1, BUSIEST_AT_MOST);
	memmove(&busiest[place + 1], &busiest[place],
			(count - place - 1) * sizeof(Minute));
	busiest[place] = minute;
	return count;
}

PG_FUNCTION_INFO_V1(cdr_busiest_minutes_found);

/* Rows of when it began, in seconds since 1970, calls, and answered ones. */
Datum
cdr_busiest_minutes_found(PG_FUNCTION_ARGS)
{
	const int64 epoch =
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	Minutes *minutes;
	Minute	 busiest[BUSIEST_AT_MOST];
	int		 count = 0;
	Datum	 values[3 * BUSIEST_AT_MOST];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	minutes = (Minutes *) PG_GETARG_POINTER(0);
	for (int64 i = 0; i < minutes->count; i++)
	{
		if (minutes->each[i][0] > 0)
			count =
				insert_minute(busiest, count,
							  (Minute){minutes->first + i, minutes->each[i][0],
									   minutes->each[i][1]});
	}
	for (int i = 0; i < count; i++)
	{
		values[3 * i] =
			Int64GetDatum(busiest[i].number * SECS_PER_MINUTE + epoch);
		values[3 * i + 1] = Int64GetDatum(busiest[i].calls);
		values[3 * i + 2] = Int64GetDatum(busiest[i].answered);
	}
	PG_RETURN_DATUM(cdr_aggregate_rows(values, count, 3));
}
