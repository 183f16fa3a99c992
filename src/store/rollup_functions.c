/*-------------------------------------------------------------------------
 *
 * rollup_functions.c
 *	  SQL: the rollup, read, folded and made anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/result.h"
#include "store/locks.h"
#include "store/rollup_fold.h"
#include "store/rollup_functions.h"
#include "store/rollup_pending.h"
#include "store/rollup_trigger.h"

const CdrRollupTables *
cdr_rollup_require(void)
{
	const CdrRollupTables *tables = cdr_rollup_tables();

	if (tables == NULL || !OidIsValid(tables->calls))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no rollup"),
				 errhint("It comes with the table \"calls\" of extension "
						 "\"%s\": run cdr_adopt_tables().",
						 CDR_EXTENSION_NAME)));
	return tables;
}

void
cdr_rollup_key_values(const CdrRollupKey *key, Datum *values, bool *nulls)
{
	values[0] = TimestampTzGetDatum(key->bucket);
	values[1] = Int32GetDatum(key->quarters);
	nulls[0] = nulls[1] = false;
	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
	{
		const CdrRollupText *text = &key->text[i];

		nulls[2 + i] = text->data == NULL;
		values[2 + i] = nulls[2 + i]
							? (Datum) 0
							: PointerGetDatum(cstring_to_text_with_len(
								  text->data, text->length));
	}
}

/* What the statement sees of the rollup, with what its transaction has not written. */
static CdrRollup *
read_rollup(const CdrRollupTables *found, TimestampTz from, TimestampTz to)
{
	CdrRollupTables tables = *found;
	CdrRollup	   *rollup = cdr_rollup_create(CurrentMemoryContext);

	cdr_rollup_read(tables.sums, GetActiveSnapshot(), from, to, rollup);
	cdr_rollup_read(tables.deltas, GetActiveSnapshot(), from, to, rollup);
	cdr_rollup_join_pending(rollup, 1);
	return rollup;
}

static CdrRollup *
read_rollup_by_steps(const CdrRollupTables *found, CdrRollupSteps *steps)
{
	CdrRollupTables tables = *found;
	CdrRollup	   *rollup = cdr_rollup_create(CurrentMemoryContext);
	CdrRollup	   *pending = cdr_rollup_create(CurrentMemoryContext);

	cdr_rollup_read_steps(tables.sums, GetActiveSnapshot(), steps, rollup);
	cdr_rollup_read_steps(tables.deltas, GetActiveSnapshot(), steps, rollup);
	cdr_rollup_join_pending(pending, 1);
	cdr_rollup_join_by_steps(rollup, pending, steps);
	cdr_rollup_free(pending);
	return rollup;
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

/*
 * Counts tell of all calls: they are for who may read all of them.  With a policy
 * that shows some only, he has to count himself.
 */
static bool
may_read_all(const CdrRollupTables *tables)
{
	return pg_class_aclcheck(tables->calls, GetUserId(), ACL_SELECT) ==
			   ACLCHECK_OK &&
		   check_enable_rls(tables->calls, InvalidOid, true) != RLS_ENABLED;
}

static void
check_reader(const CdrRollupTables *tables)
{
	if (!may_read_all(tables))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for the rollup"),
						errdetail("It is for roles that may read all of table "
								  "\"calls\".")));
}

static void
return_counts(ReturnSetInfo *info, const CdrRollup *rollup, TimestampTz from,
			  TimestampTz to)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext	outer = MemoryContextSwitchTo(context);
	CdrRollupCursor cursor = {rollup, 0};
	CdrRollupEntry *entry;

	while ((entry = cdr_rollup_next(&cursor)) != NULL)
	{
		Datum values[2 + CDR_ROLLUP_NDIMENSIONS + CDR_ROLLUP_NMEASURES];
		bool  nulls[lengthof(values)] = {false};

		/* what is pending may be of another time */
		if (cdr_rollup_is_zero(entry) || entry->key.bucket < from ||
			entry->key.bucket >= to)
			continue;
		cdr_rollup_key_values(&entry->key, values, nulls);
		for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
			values[2 + CDR_ROLLUP_NDIMENSIONS + i] =
				Int64GetDatum(entry->counts[i]);
		CDR_PUT_ROW(info, values, nulls);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/* Were changes made that could not be counted? */
static bool
is_spoilt(const CdrRollupTables *tables)
{
	CdrRollup *spoilt =
		read_rollup(tables, CDR_ROLLUP_SPOILT, CDR_ROLLUP_SPOILT);
	CdrRollupKey	key = {.bucket = CDR_ROLLUP_SPOILT};
	CdrRollupEntry *entry = cdr_rollup_find(spoilt, &key);
	bool			result = entry != NULL && !cdr_rollup_is_zero(entry);

	cdr_rollup_free(spoilt);
	return result;
}

/* Why the counts are not to be used; NULL: they are right. */
static const char *
why_not_right(void)
{
	CdrTables tables;

	cdr_tables_require(&tables, AccessShareLock);
	if (!cdr_rollup_hangs(&tables))
		return "The triggers that count changes of calls are missing or "
			   "disabled, or were.";
	if (is_spoilt(cdr_rollup_require()))
		return "Calls were changed while their table had another name or "
			   "other columns.";
	return NULL;
}

static void
check_right(void)
{
	const char *why = why_not_right();

	if (why != NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the rollup may not be right any more"),
						errdetail("%s", why),
						errhint("cdr_rebuild_rollup() makes it anew.")));
}

/* What both functions that return counts do first. */
static ReturnSetInfo *
begin_counts(FunctionCallInfo fcinfo)
{
	ReturnSetInfo		  *info = (ReturnSetInfo *) fcinfo->resultinfo;
	const CdrRollupTables *tables = cdr_rollup_require();

	InitMaterializedSRF(fcinfo, 0);
	if (info->setDesc->natts !=
		2 + CDR_ROLLUP_NDIMENSIONS + CDR_ROLLUP_NMEASURES)
		elog(ERROR, "a function of the rollup is not declared as it is");
	check_reader(tables);
	check_right();
	return info;
}

PG_FUNCTION_INFO_V1(cdr_rollup);

Datum
cdr_rollup(PG_FUNCTION_ARGS)
{
	TimestampTz from =
		PG_ARGISNULL(0) ? DT_NOBEGIN + 1 : PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz	   to = PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1);
	ReturnSetInfo *info = begin_counts(fcinfo);
	CdrRollup	  *rollup = read_rollup(cdr_rollup_require(), from, to);

	return_counts(info, rollup, from, to);
	cdr_rollup_free(rollup);
	return (Datum) 0;
}

static void
read_step_bounds(CdrRollupSteps *steps, ArrayType *array)
{
	Datum		*values;
	bool		*nulls;
	int			 count;
	bool		 fits;
	TimestampTz *bounds;

	deconstruct_array(array, TIMESTAMPTZOID, sizeof(TimestampTz),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls,
					  &count);
	bounds = palloc(Max(count, 1) * sizeof(TimestampTz));
	fits = count >= 2;
	for (int i = 0; fits && i < count; i++)
	{
		bounds[i] = DatumGetTimestampTz(values[i]);
		fits = !nulls[i] && !TIMESTAMP_NOT_FINITE(bounds[i]) &&
			   (i == 0 || bounds[i] > bounds[i - 1]);
	}
	if (!fits)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("steps must be times in ascending order, at "
							   "least two of them"),
						errhint("Take them from cdr_steps().")));
	steps->bounds = bounds;
	steps->nsteps = count - 1;
}

static void
read_step_dimension(CdrRollupSteps *steps, const char *name)
{
	if (strcmp(name, "tenant_id") == 0)
		steps->by_tenant = true;
	else if (strcmp(name, "direction") == 0)
		steps->by_direction = true;
	else if (strcmp(name, "hour") == 0 || strcmp(name, "weekday") == 0)
		steps->by_attempt = true;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the rollup does not have the dimension \"%s\"", name),
				 errhint("It has tenant_id, direction, hour and weekday.")));
}

static void
read_step_dimensions(CdrRollupSteps *steps, ArrayType *array)
{
	Datum *names;
	bool  *nulls;
	int	   count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
		read_step_dimension(steps,
							nulls[i] ? "" : TextDatumGetCString(names[i]));
}

PG_FUNCTION_INFO_V1(cdr_rollup_by_steps);

Datum
cdr_rollup_by_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = begin_counts(fcinfo);
	CdrRollupSteps steps = {0};
	CdrRollup	  *rollup;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("steps must not be null")));
	read_step_bounds(&steps, PG_GETARG_ARRAYTYPE_P(0));
	if (!PG_ARGISNULL(1))
		read_step_dimensions(&steps, PG_GETARG_ARRAYTYPE_P(1));
	rollup = read_rollup_by_steps(cdr_rollup_require(), &steps);
	return_counts(info, rollup, DT_NOBEGIN, DT_NOEND);
	cdr_rollup_free(rollup);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(cdr_rollup_serves);

Datum
cdr_rollup_serves(PG_FUNCTION_ARGS)
{
	const CdrRollupTables *tables = cdr_rollup_tables();

	PG_RETURN_BOOL(tables != NULL && OidIsValid(tables->calls) &&
				   may_read_all(tables) && why_not_right() == NULL);
}

/* ------------------------------------------------------------------------
 * Upkeep
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(cdr_rebuild_rollup);

Datum
cdr_rebuild_rollup(PG_FUNCTION_ARGS)
{
	CdrTables tables;

	/* (a stronger lock first would have two of them wait for each other) */
	PreventCommandIfReadOnly("cdr_rebuild_rollup()");
	cdr_tables_require(&tables, AccessShareLock);
	(void) cdr_rollup_require();
	if (!cdr_rollup_hangs(&tables))
		cdr_rollup_hang(&tables);
	else
		(void) cdr_rollup_rebuild();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(cdr_fold_rollup);

Datum
cdr_fold_rollup(PG_FUNCTION_ARGS)
{
	CdrTables tables;

	PreventCommandIfReadOnly("cdr_fold_rollup()");
	cdr_tables_require(&tables, AccessShareLock);
	cdr_lock_rollup();
	PG_RETURN_INT64(cdr_rollup_fold(cdr_rollup_require(), PG_INT64_MAX));
}
