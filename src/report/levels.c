/*-------------------------------------------------------------------------
 *
 * levels.c
 *	  SQL: an aggregate of how many calls were up at once, by steps of time.
 *
 * Its rows come in the order in which calls begin.  The ends of those that are up
 * lie in a heap, the next one on top: so what it holds in memory grows with how many
 * are up at once, not with how many there are.
 *
 * A call is up from its start on, until its end, and no longer at that instant: a level
 * that holds for no time is none.  So levels are noted while time passes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#define FIRST_ROOM 64

/* What is found out of a step, and in which order it is returned. */
typedef struct Found
{
	int64 peak;
	int64 peak_after; /* microseconds after the step began */
	int64 occupied;	  /* microseconds, of all calls together */
} Found;

typedef struct Levels
{
	TimestampTz *bounds; /* of steps, one more than there are */
	int			 nsteps;
	Found		*found;
	int			 step; /* in which it is now */
	TimestampTz	 now;
	TimestampTz *ends; /* of the calls that are up: a heap */
	int			 up;
	int			 room;
} Levels;

static void
read_bounds(Levels *levels, ArrayType *array)
{
	Datum *values;
	bool  *nulls;
	int	   count;

	deconstruct_array(array, TIMESTAMPTZOID, sizeof(TimestampTz),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls,
					  &count);
	levels->nsteps = count - 1;
	levels->bounds = palloc(Max(count, 1) * sizeof(TimestampTz));
	for (int i = 0; i < count; i++)
	{
		levels->bounds[i] =
			nulls[i] ? DT_NOBEGIN : DatumGetTimestampTz(values[i]);
		if (TIMESTAMP_NOT_FINITE(levels->bounds[i]) ||
			(i > 0 && levels->bounds[i] <= levels->bounds[i - 1]))
			count = 0;
	}
	if (count < 2)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("steps must be times in ascending order, at "
							   "least two of them"),
						errhint("Take them from cdr_steps().")));
}

static Levels *
make_levels(MemoryContext context, ArrayType *steps)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	Levels		 *levels = palloc0(sizeof(Levels));

	read_bounds(levels, steps);
	levels->found = palloc0(levels->nsteps * sizeof(Found));
	levels->now = levels->bounds[0];
	levels->room = FIRST_ROOM;
	levels->ends = palloc(levels->room * sizeof(TimestampTz));
	MemoryContextSwitchTo(before);
	return levels;
}

static void
add_occupied(int64 *occupied, int64 up, int64 passed)
{
	int64 product;

	if (pg_mul_s64_overflow(up, passed, &product) ||
		pg_add_s64_overflow(*occupied, product, occupied))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("calls of a step are too long together"),
						errhint("Take a shorter step.")));
}

/* Time passes, and nothing begins or ends. */
static void
pass(Levels *levels, TimestampTz until)
{
	while (levels->now < until)
	{
		Found	   *found = &levels->found[levels->step];
		TimestampTz step_end = levels->bounds[levels->step + 1];
		TimestampTz next = Min(until, step_end);

		if (levels->up > found->peak)
		{
			found->peak = levels->up;
			found->peak_after = levels->now - levels->bounds[levels->step];
		}
		add_occupied(&found->occupied, levels->up, next - levels->now);
		levels->now = next;
		if (next == step_end)
			levels->step++;
	}
}

static void
call_begins(Levels *levels, TimestampTz end)
{
	int i = levels->up++;

	if (i == levels->room)
	{
		levels->room *= 2;
		levels->ends =
			repalloc(levels->ends, levels->room * sizeof(TimestampTz));
	}
	for (int parent; i > 0 && levels->ends[parent = (i - 1) / 2] > end;
		 i = parent)
		levels->ends[i] = levels->ends[parent];
	levels->ends[i] = end;
}

/* The next of those that are up ends. */
static void
call_ends(Levels *levels)
{
	TimestampTz *ends = levels->ends;
	TimestampTz	 moved = ends[--levels->up];
	int			 i = 0;

	for (int child; (child = 2 * i + 1) < levels->up; i = child)
	{
		if (child + 1 < levels->up && ends[child + 1] < ends[child])
			child++;
		if (ends[child] >= moved)
			break;
		ends[i] = ends[child];
	}
	ends[i] = moved;
}

/* Time passes, and calls end. */
static void
settle(Levels *levels, TimestampTz until)
{
	while (levels->up > 0 && levels->ends[0] <= until)
	{
		pass(levels, levels->ends[0]);
		call_ends(levels);
	}
	pass(levels, until);
}

PG_FUNCTION_INFO_V1(cdr_levels_add);

Datum
cdr_levels_add(PG_FUNCTION_ARGS)
{
	Levels		 *levels;
	TimestampTz	  start;
	TimestampTz	  end;
	TimestampTz	  last;
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cdr_levels_add() is for the aggregate only")));
	if (PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("steps must not be null")));
	levels = PG_ARGISNULL(0) ? make_levels(context, PG_GETARG_ARRAYTYPE_P(3))
							 : (Levels *) PG_GETARG_POINTER(0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(levels);

	last = levels->bounds[levels->nsteps];
	start = Max(PG_GETARG_TIMESTAMPTZ(1), levels->bounds[0]);
	end = Min(PG_GETARG_TIMESTAMPTZ(2), last);
	if (start >= end)
		PG_RETURN_POINTER(levels);
	if (start < levels->now)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("calls must come in the order of their starts"),
						errhint("Take them from a subquery with ORDER BY.")));
	CHECK_FOR_INTERRUPTS();
	settle(levels, start);
	/* the heap belongs to the context that it was made in */
	call_begins(levels, end);
	PG_RETURN_POINTER(levels);
}

PG_FUNCTION_INFO_V1(cdr_levels_found);

Datum
cdr_levels_found(PG_FUNCTION_ARGS)
{
	Levels *levels;
	Datum  *values;
	int		dimensions[2] = {0, 3};
	int		lower_bounds[2] = {1, 1};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	levels = (Levels *) PG_GETARG_POINTER(0);
	settle(levels, levels->bounds[levels->nsteps]);
	dimensions[0] = levels->nsteps;
	values = palloc(levels->nsteps * 3 * sizeof(Datum));
	for (int i = 0; i < levels->nsteps; i++)
	{
		values[3 * i] = Int64GetDatum(levels->found[i].peak);
		values[3 * i + 1] = Int64GetDatum(levels->found[i].peak_after);
		values[3 * i + 2] = Int64GetDatum(levels->found[i].occupied);
	}
	PG_RETURN_ARRAYTYPE_P(
		construct_md_array(values, NULL, 2, dimensions, lower_bounds, INT8OID,
						   sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
