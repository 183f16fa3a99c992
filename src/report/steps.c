/*-------------------------------------------------------------------------
 *
 * steps.c
 *	  SQL: a time, cut into steps of the calendar of a zone, or of a clock.
 *
 * Months and days of a step are the zone's: a day has 23 or 25 hours when its
 * clocks change; hours, and what is less, are time that passes.  The n-th step
 * begins n times the step after the first, not one step after the one before: from
 * the 31st on, months would else be cut short for ever.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/zone.h"

/* A result has no more of them. */
#define STEPS_MAX 100000

typedef struct Steps
{
	TimestampTz from;
	Datum		zone;
	Datum		local; /* from, as the clocks of the zone show it */
	Interval	step;
} Steps;

typedef struct Begins
{
	Datum *times;
	int	   count;
	int	   room;
} Begins;

static TimestampTz
time_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	TimestampTz time;

	if (PG_ARGISNULL(number))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not be null", name)));
	time = PG_GETARG_TIMESTAMPTZ(number);
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be finite", name),
				 errhint("Name a time, such as that of the oldest call.")));
	return time;
}

static void
check_step(const Interval *step)
{
	if (step->month < 0 || step->day < 0 || step->time < 0 ||
		(step->month == 0 && step->day == 0 && step->time == 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("step must be greater than zero"),
						errhint("NULL makes one step of all.")));
}

static Datum
times(const Interval *step, int n)
{
	return DirectFunctionCall2(interval_mul,
							   IntervalPGetDatum((Interval *) step),
							   Float8GetDatum((double) n));
}

/*
 * When the clocks of the zone first show a time.  The server takes the last one of two:
 * a day would begin an hour late where clocks are set back to midnight (the Azores,
 * Havana), and calls of its first hour would be of the day before.
 */
static TimestampTz
first_shown(Datum zone, Datum local)
{
	TimestampTz last =
		DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, zone, local));
	TimestampTz day_before = last - USECS_PER_DAY;
	Timestamp	shown = DatumGetTimestamp(DirectFunctionCall2(
		  timestamptz_zone, zone, TimestampTzGetDatum(day_before)));
	TimestampTz first = DatumGetTimestamp(local) - (shown - day_before);

	if (first < last &&
		DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone, zone,
											  TimestampTzGetDatum(first))) ==
			DatumGetTimestamp(local))
		return first;
	return last;
}

/* When the n-th step begins; an ERROR where that is beyond all times. */
static TimestampTz
begin_of(const Steps *steps, int n)
{
	Interval calendar = {.month = steps->step.month, .day = steps->step.day};
	Datum	 at = TimestampTzGetDatum(steps->from);

	if (n == 0)
		return steps->from;
	if (calendar.month != 0 || calendar.day != 0)
	{
		at = DirectFunctionCall2(timestamp_pl_interval, steps->local,
								 times(&calendar, n));
		at = TimestampTzGetDatum(first_shown(steps->zone, at));
	}
	return DatumGetTimestampTz(at) + n * steps->step.time;
}

/* Is the n-th step, of whatever length, after a time for sure? */
static bool
is_beyond(const Steps *steps, int n, TimestampTz to_time)
{
	/* as short as months and days ever are, for what has no sum */
	double shortest = steps->step.month * 28.0 * USECS_PER_DAY +
					  steps->step.day * 22.0 * USECS_PER_HOUR +
					  steps->step.time;

	return steps->from + shortest * n > (double) to_time + USECS_PER_DAY;
}

/* Adds what a step begins with, or the last one ends with. */
static void
add_begin(Begins *begins, TimestampTz at)
{
	if (begins->count == STEPS_MAX + 1)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("more than %d steps requested", STEPS_MAX),
						errhint("Take a longer step, or less time.")));
	if (begins->count == begins->room)
	{
		begins->room *= 2;
		begins->times = repalloc(begins->times, begins->room * sizeof(Datum));
	}
	begins->times[begins->count++] = TimestampTzGetDatum(at);
}

static void
add_steps(Begins *begins, const Steps *steps, TimestampTz to_time)
{
	TimestampTz last = steps->from;

	for (int n = 1; !is_beyond(steps, n, to_time); n++)
	{
		TimestampTz begin = begin_of(steps, n);

		/* a day that a zone has left out has no length */
		if (begin <= last)
			continue;
		if (begin >= to_time)
			break;
		add_begin(begins, begin);
		last = begin;
	}
}

PG_FUNCTION_INFO_V1(cdr_steps);

Datum
cdr_steps(PG_FUNCTION_ARGS)
{
	Begins		begins = {palloc(sizeof(Datum)), 0, 1};
	Steps		steps = {.from = time_argument(fcinfo, 0, "from_time")};
	TimestampTz to_time = time_argument(fcinfo, 1, "to_time");

	if (to_time <= steps.from)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("to_time must be later than from_time"),
						errdetail("What begins at to_time is not counted.")));
	if (PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("zone must not be null")));
	steps.zone = PG_GETARG_DATUM(3);
	/* whose error it is that there is no such zone */
	steps.local = cdr_local_timestamp(steps.zone, steps.from);
	add_begin(&begins, steps.from);
	if (!PG_ARGISNULL(2))
	{
		steps.step = *PG_GETARG_INTERVAL_P(2);
		check_step(&steps.step);
		add_steps(&begins, &steps, to_time);
	}
	add_begin(&begins, to_time);
	PG_RETURN_ARRAYTYPE_P(construct_array(begins.times, begins.count,
										  TIMESTAMPTZOID, sizeof(TimestampTz),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
