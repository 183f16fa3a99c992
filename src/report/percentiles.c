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
#include "executor/nodeHash.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#define FIRST_ROOM 16

/* Beyond what a hash of groups may take, of all groups together. */
#define MEMORY_MAX ((Size) 64 * 1024 * 1024)

typedef struct Percentiles
{
	double *values;
	int64	count;
	int64	room;
} Percentiles;

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

static void
grow_values(Percentiles *percentiles, MemoryContext context)
{
	Size bytes = (Size) percentiles->room * 2 * sizeof(double);

	if (MemoryContextMemAllocated(context, true) + bytes >
			get_hash_memory_limit() + MEMORY_MAX ||
		bytes > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many values for percentiles in memory"),
						errhint("percentile_cont() sorts them on disk.")));
	percentiles->values = repalloc(percentiles->values, bytes);
	percentiles->room *= 2;
}

PG_FUNCTION_INFO_V1(cdr_percentiles_add);

Datum
cdr_percentiles_add(PG_FUNCTION_ARGS)
{
	Percentiles	 *percentiles;
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cdr_percentiles_add() is for the aggregate "
							   "only")));
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_POINTER(PG_GETARG_POINTER(0));
	}
	if (PG_ARGISNULL(0))
	{
		percentiles = MemoryContextAlloc(context, sizeof(Percentiles));
		percentiles->values =
			MemoryContextAlloc(context, FIRST_ROOM * sizeof(double));
		percentiles->count = 0;
		percentiles->room = FIRST_ROOM;
	}
	else
		percentiles = (Percentiles *) PG_GETARG_POINTER(0);
	if (percentiles->count == percentiles->room)
		grow_values(percentiles, context);
	percentiles->values[percentiles->count++] = PG_GETARG_FLOAT8(1);
	PG_RETURN_POINTER(percentiles);
}

/* Of sorted values, between two of them where there is none at that place. */
static double
value_at(const Percentiles *percentiles, double percentile)
{
	double place = percentile * (double) (percentiles->count - 1);
	double low = percentiles->values[(int64) floor(place)];
	double high = percentiles->values[(int64) ceil(place)];

	if (low == high)
		return low;
	return low + (place - floor(place)) * (high - low);
}

PG_FUNCTION_INFO_V1(cdr_percentiles_found);

Datum
cdr_percentiles_found(PG_FUNCTION_ARGS)
{
	Percentiles *percentiles;
	Datum		 found[2];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	percentiles = (Percentiles *) PG_GETARG_POINTER(0);
	sort_doubles(percentiles->values, (size_t) percentiles->count);
	found[0] = Float8GetDatum(value_at(percentiles, 0.5));
	found[1] = Float8GetDatum(value_at(percentiles, 0.95));
	PG_RETURN_ARRAYTYPE_P(construct_array(found, lengthof(found), FLOAT8OID,
										  sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}
