/*-------------------------------------------------------------------------
 *
 * by_steps.c
 *	  SQL: aggregates that tell of each step of time, in one look at the calls.
 *
 * GROUP BY would look for the group of each call, by all that it is grouped by; calls
 * come in the order of time, mostly, so that the step is the one of the call before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "report/aggregate.h"
#include "report/percentiles.h"

typedef struct SetupBySteps
{
	CdrSteps	   steps;
	CdrPercentiles each[FLEXIBLE_ARRAY_MEMBER];
} SetupBySteps;

PG_FUNCTION_INFO_V1(cdr_setup_by_steps_add);

Datum
cdr_setup_by_steps_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	SetupBySteps *setup =
		PG_ARGISNULL(0)
			? cdr_steps_make(context, fcinfo, 4, offsetof(SetupBySteps, each),
							 sizeof(CdrPercentiles))
			: (SetupBySteps *) PG_GETARG_POINTER(0);
	int step;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_POINTER(setup);
	step = cdr_steps_find(&setup->steps, PG_GETARG_TIMESTAMPTZ(1));
	if (step >= 0)
		cdr_percentiles_put(&setup->each[step],
							cdr_seconds_between(PG_GETARG_TIMESTAMPTZ(2),
												PG_GETARG_TIMESTAMPTZ(3)),
							context);
	PG_RETURN_POINTER(setup);
}

PG_FUNCTION_INFO_V1(cdr_setup_by_steps_found);

/* First the medians of all steps, then what 95 % of each are within. */
Datum
cdr_setup_by_steps_found(PG_FUNCTION_ARGS)
{
	SetupBySteps *setup;
	Datum		 *values;
	bool		 *nulls;
	int			  nsteps;
	int			  dimensions[1];
	int			  lower_bounds[1] = {1};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	setup = (SetupBySteps *) PG_GETARG_POINTER(0);
	nsteps = setup->steps.nsteps;
	values = palloc0(2 * nsteps * sizeof(Datum));
	nulls = palloc0(2 * nsteps * sizeof(bool));
	for (int i = 0; i < nsteps; i++)
	{
		double median;
		double high;

		CHECK_FOR_INTERRUPTS();
		nulls[i] = nulls[nsteps + i] = setup->each[i].count == 0;
		if (nulls[i])
			continue;
		cdr_percentiles_get(&setup->each[i], &median, &high);
		values[i] = Float8GetDatum(median);
		values[nsteps + i] = Float8GetDatum(high);
	}
	dimensions[0] = 2 * nsteps;
	PG_RETURN_ARRAYTYPE_P(construct_md_array(
		values, nulls, 1, dimensions, lower_bounds, FLOAT8OID, sizeof(float8),
		FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

typedef struct OccupiedBySteps
{
	CdrSteps steps;
	int64	 each[FLEXIBLE_ARRAY_MEMBER]; /* microseconds */
} OccupiedBySteps;

static void
add_span(OccupiedBySteps *occupied, TimestampTz start, TimestampTz until)
{
	CdrSteps *steps = &occupied->steps;
	int		  step;

	start = Max(start, steps->bounds[0]);
	until = Min(until, steps->bounds[steps->nsteps]);
	step = start < until ? cdr_steps_find(steps, start) : steps->nsteps;
	for (; step < steps->nsteps && steps->bounds[step] < until; step++)
	{
		int64 within = Min(until, steps->bounds[step + 1]) -
					   Max(start, steps->bounds[step]);

		CHECK_FOR_INTERRUPTS();
		if (pg_add_s64_overflow(occupied->each[step], within,
								&occupied->each[step]))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("calls of a step are too long together"),
							errhint("Take a shorter step.")));
	}
}

PG_FUNCTION_INFO_V1(cdr_occupied_by_steps_add);

Datum
cdr_occupied_by_steps_add(PG_FUNCTION_ARGS)
{
	MemoryContext	 context = cdr_aggregate_context(fcinfo, __func__);
	OccupiedBySteps *occupied =
		PG_ARGISNULL(0)
			? cdr_steps_make(context, fcinfo, 3,
							 offsetof(OccupiedBySteps, each), sizeof(int64))
			: (OccupiedBySteps *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		add_span(occupied, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2));
	PG_RETURN_POINTER(occupied);
}

PG_FUNCTION_INFO_V1(cdr_occupied_by_steps_found);

Datum
cdr_occupied_by_steps_found(PG_FUNCTION_ARGS)
{
	OccupiedBySteps *occupied;
	Datum			*values;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	occupied = (OccupiedBySteps *) PG_GETARG_POINTER(0);
	values = palloc(occupied->steps.nsteps * sizeof(Datum));
	for (int i = 0; i < occupied->steps.nsteps; i++)
		values[i] = Int64GetDatum(occupied->each[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, occupied->steps.nsteps,
										  INT8OID, sizeof(int64),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
