/*-------------------------------------------------------------------------
 *
 * percentiles.c
 *	  SQL: an aggregate of median and 95th percentile.
 *
 * What percentile_cont(ARRAY[0.5, 0.95]) says, to the last bit; but that one has its rows
 * sorted by group first, and again within each.  This keeps the values of each group in
 * memory.  They may be too many: then it is an error, and cdr_traffic() takes
 * percentile_cont(), which sorts on disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "report/aggregate.h"
#include "report/percentiles.h"

#define FIRST_ROOM 16

/* As the server orders them: what is not a number is the greatest. */
static inline int
compare_doubles(double a, double b)
{
	if (unlikely(isnan(a) || isnan(b)))
		return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
	return a < b ? -1 : a > b;
}

#define ST_SORT			 sort_doubles
#define ST_ELEMENT_TYPE	 double
#define ST_COMPARE(a, b) compare_doubles(*(a), *(b))
#define ST_SCOPE		 static
#define ST_DECLARE
#define ST_DEFINE
#include "lib/sort_template.h"

void
cdr_percentiles_put(CdrPercentiles *percentiles, double value,
					MemoryContext context)
{
	if (percentiles->count == percentiles->room)
	{
		int64 room = Max(percentiles->room * 2, FIRST_ROOM);
		Size  bytes = (Size) room * sizeof(double);

		cdr_aggregate_grow(context, bytes);
		percentiles->values = percentiles->values == NULL
								  ? MemoryContextAlloc(context, bytes)
								  : repalloc(percentiles->values, bytes);
		percentiles->room = room;
	}
	percentiles->values[percentiles->count++] = value;
}

/* Of sorted values, between two of them where there is none at that place. */
static double
value_at(const CdrPercentiles *percentiles, double percentile)
{
	double place = percentile * (double) (percentiles->count - 1);
	double low = percentiles->values[(int64) floor(place)];
	double high = percentiles->values[(int64) ceil(place)];

	if (low == high)
		return low;
	return low + (place - floor(place)) * (high - low);
}

void
cdr_percentiles_get(CdrPercentiles *percentiles, double *median, double *high)
{
	sort_doubles(percentiles->values, (size_t) percentiles->count);
	*median = value_at(percentiles, 0.5);
	*high = value_at(percentiles, 0.95);
}

PG_FUNCTION_INFO_V1(cdr_percentiles_add);

Datum
cdr_percentiles_add(PG_FUNCTION_ARGS)
{
	MemoryContext	context = cdr_aggregate_context(fcinfo, __func__);
	CdrPercentiles *percentiles;

	if (PG_ARGISNULL(0))
	{
		if (PG_ARGISNULL(1))
			PG_RETURN_NULL();
		percentiles = MemoryContextAllocZero(context, sizeof(CdrPercentiles));
	}
	else
		percentiles = (CdrPercentiles *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
		cdr_percentiles_put(percentiles, PG_GETARG_FLOAT8(1), context);
	PG_RETURN_POINTER(percentiles);
}

PG_FUNCTION_INFO_V1(cdr_percentiles_found);

Datum
cdr_percentiles_found(PG_FUNCTION_ARGS)
{
	double median;
	double high;
	Datum  found[2];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	cdr_percentiles_get((CdrPercentiles *) PG_GETARG_POINTER(0), &median,
						&high);
	found[0] = Float8GetDatum(median);
	found[1] = Float8GetDatum(high);
	PG_RETURN_ARRAYTYPE_P(construct_array(found, lengthof(found), FLOAT8OID,
										  sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}
