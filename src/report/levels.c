/*-------------------------------------------------------------------------
 *
 * levels.c
 *	  SQL: an aggregate of how many calls were up at once, by steps of time.
 *
 * Its rows come in the order in which calls begin.  The ends of those that are up
 * lie in a heap, the next one on top: so what it holds in memory grows with how many
 * are up at once, not with how many there are.  Or they come in any order, and are kept
 * and sorted first, up to some millions of them.
 *
 * A call is up from its start on, until its end, and no longer at that instant: a level
 * that holds for no time is none.  So levels are noted while time passes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "report/aggregate.h"

#define FIRST_ROOM 64

/* What is found out of a step, and in which order it is returned. */
typedef struct Found
{
	int64 peak;
	int64 peak_after; /* microseconds after the step began */
	int64 occupied;	  /* microseconds, of all calls together */
} Found;

typedef struct Kept
{
	TimestampTz start;
	TimestampTz end;
} Kept;

typedef struct Levels
{
	CdrSteps	 steps;
	Found		*found;
	int			 step; /* in which it is now */
	TimestampTz	 now;
	TimestampTz *ends; /* of the calls that are up: a heap */
	int			 up;
	int			 room;
	Kept		*kept; /* calls that are not in order yet */
	size_t		 nkept;
	size_t		 kept_room;
	Kept		*open; /* calls that are up, and when each was heard of last */
	size_t		 nopen;
	size_t		 open_room;
	TimestampTz	 heard; /* the last event of all that began in the steps */
} Levels;

/* How long a call is up that is not heard of any more. */
#define UNHEARD_AT_MOST USECS_PER_DAY

#define ST_SORT			sort_kept
#define ST_ELEMENT_TYPE Kept
#define ST_COMPARE(a, b) \
	((a)->start < (b)->start ? -1 : (a)->start > (b)->start)
#define ST_SCOPE static
#define ST_DECLARE
#define ST_DEFINE
#include "lib/sort_template.h"

static Levels *
make_levels(MemoryContext context, FunctionCallInfo fcinfo, int number)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	Levels		 *levels = palloc0(sizeof(Levels));

	cdr_steps_read(&levels->steps, fcinfo, number);
	levels->found = palloc0(levels->steps.nsteps * sizeof(Found));
	levels->now = levels->steps.bounds[0];
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
		TimestampTz step_end = levels->steps.bounds[levels->step + 1];
		TimestampTz next = Min(until, step_end);

		if (levels->up > found->peak)
		{
			found->peak = levels->up;
			found->peak_after =
				levels->now - levels->steps.bounds[levels->step];
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

/* What there is of a call within the steps; false: nothing. */
static bool
clip_call(const Levels *levels, TimestampTz *start, TimestampTz *end)
{
	const CdrSteps *steps = &levels->steps;

	*start = Max(*start, steps->bounds[0]);
	*end = Min(*end, steps->bounds[steps->nsteps]);
	return *start < *end;
}

static void
keep_call(Kept **calls, size_t *count, size_t *room, Kept call,
		  MemoryContext context)
{
	if (*count == *room)
	{
		size_t more = Max(*room * 2, FIRST_ROOM);
		Size   bytes = more * sizeof(Kept);

		cdr_aggregate_grow(context, bytes - *room * sizeof(Kept));
		*calls = *calls == NULL ? MemoryContextAlloc(context, bytes)
								: repalloc_huge(*calls, bytes);
		*room = more;
	}
	(*calls)[(*count)++] = call;
}

static void
keep_clipped(Levels *levels, Kept call, MemoryContext context)
{
	if (clip_call(levels, &call.start, &call.end))
		keep_call(&levels->kept, &levels->nkept, &levels->kept_room, call,
				  context);
}

PG_FUNCTION_INFO_V1(cdr_levels_add);

Datum
cdr_levels_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	Levels		 *levels = PG_ARGISNULL(0) ? make_levels(context, fcinfo, 3)
										   : (Levels *) PG_GETARG_POINTER(0);
	TimestampTz	  start;
	TimestampTz	  end;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(levels);
	start = PG_GETARG_TIMESTAMPTZ(1);
	end = PG_GETARG_TIMESTAMPTZ(2);
	if (!clip_call(levels, &start, &end))
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

/* A call more, in any order: they are kept, and sorted at last. */
PG_FUNCTION_INFO_V1(cdr_levels_keep);

Datum
cdr_levels_keep(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	Levels		 *levels = PG_ARGISNULL(0) ? make_levels(context, fcinfo, 3)
										   : (Levels *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		keep_clipped(
			levels, (Kept){PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2)},
			context);
	PG_RETURN_POINTER(levels);
}

/*
 * The same, of the report: (attempt_time, start, end, last event, steps).  A call that has
 * no end is up until the last event of all, and no longer than a day after its own: what
 * that is, is known at last.
 */
PG_FUNCTION_INFO_V1(cdr_levels_hear);

Datum
cdr_levels_hear(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	Levels		 *levels = (Levels *) PG_GETARG_POINTER(0);
	Kept		  call;

	if (PG_ARGISNULL(0))
	{
		levels = make_levels(context, fcinfo, 5);
		levels->heard = DT_NOBEGIN;
	}
	if (PG_ARGISNULL(1) || PG_ARGISNULL(4))
		PG_RETURN_POINTER(levels);
	if (PG_GETARG_TIMESTAMPTZ(1) >= levels->steps.bounds[0])
		levels->heard = Max(levels->heard, PG_GETARG_TIMESTAMPTZ(4));
	if (PG_ARGISNULL(2))
		PG_RETURN_POINTER(levels);
	call.start = PG_GETARG_TIMESTAMPTZ(2);
	call.end = PG_GETARG_TIMESTAMPTZ(PG_ARGISNULL(3) ? 4 : 3);
	if (PG_ARGISNULL(3))
		keep_call(&levels->open, &levels->nopen, &levels->open_room, call,
				  context);
	else
		keep_clipped(levels, call, context);
	PG_RETURN_POINTER(levels);
}

static void
settle_open(Levels *levels, MemoryContext context)
{
	for (size_t i = 0; i < levels->nopen; i++)
	{
		Kept call = levels->open[i];

		if (!TIMESTAMP_NOT_FINITE(call.end))
			call.end = Min(call.end, END_TIMESTAMP - UNHEARD_AT_MOST - 1) +
					   UNHEARD_AT_MOST;
		/* (nothing is known of the steps: no end either) */
		if (!TIMESTAMP_IS_NOBEGIN(levels->heard))
			call.end = Min(call.end, levels->heard);
		keep_clipped(levels, call, context);
	}
	levels->nopen = 0;
}

/* (of calls that begin at the same time, any may be first) */
static void
settle_kept(Levels *levels)
{
	if (levels->kept == NULL)
		return;
	sort_kept(levels->kept, levels->nkept);
	for (size_t i = 0; i < levels->nkept; i++)
	{
		CHECK_FOR_INTERRUPTS();
		settle(levels, levels->kept[i].start);
		call_begins(levels, levels->kept[i].end);
	}
	pfree(levels->kept);
	levels->kept = NULL;
}

PG_FUNCTION_INFO_V1(cdr_levels_found);

Datum
cdr_levels_found(PG_FUNCTION_ARGS)
{
	Levels *levels;
	Datum  *values;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	levels = (Levels *) PG_GETARG_POINTER(0);
	settle_open(levels, cdr_aggregate_context(fcinfo, __func__));
	settle_kept(levels);
	settle(levels, levels->steps.bounds[levels->steps.nsteps]);
	values = palloc(levels->steps.nsteps * 3 * sizeof(Datum));
	for (int i = 0; i < levels->steps.nsteps; i++)
	{
		values[3 * i] = Int64GetDatum(levels->found[i].peak);
		values[3 * i + 1] = Int64GetDatum(levels->found[i].peak_after);
		values[3 * i + 2] = Int64GetDatum(levels->found[i].occupied);
	}
	PG_RETURN_DATUM(cdr_aggregate_rows(values, levels->steps.nsteps, 3));
}
