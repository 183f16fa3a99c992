/*-------------------------------------------------------------------------
 *
 * rollup_functions.c
 *	  SQL: the rollup, read, checked, folded and made anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/locks.h"
#include "store/rollup_fold.h"
#include "store/rollup_pending.h"
#include "store/rollup_trigger.h"

static const CdrRollupTables *
require_rollup(void)
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

/* Key and first columns of a result. */
static void
key_values(const CdrRollupKey *key, Datum *values, bool *nulls)
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
		key_values(&entry->key, values, nulls);
		for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
			values[2 + CDR_ROLLUP_NDIMENSIONS + i] =
				Int64GetDatum(entry->counts[i]);
		tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
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
	if (is_spoilt(require_rollup()))
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

PG_FUNCTION_INFO_V1(cdr_rollup);

Datum
cdr_rollup(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz	   from =
		   PG_ARGISNULL(0) ? DT_NOBEGIN + 1 : PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz to = PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1);
	const CdrRollupTables *tables = require_rollup();
	CdrRollup			  *rollup;

	InitMaterializedSRF(fcinfo, 0);
	if (info->setDesc->natts !=
		2 + CDR_ROLLUP_NDIMENSIONS + CDR_ROLLUP_NMEASURES)
		elog(ERROR, "cdr_rollup() is not declared as it is");
	check_reader(tables);
	check_right();
	rollup = read_rollup(require_rollup(), from, to);
	return_counts(info, rollup, from, to);
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
 * Verifying
 * ------------------------------------------------------------------------
 */

static const char *const measure_names[] = {
#define MEASURE_NAME(name) #name,
	CDR_ROLLUP_MEASURES(MEASURE_NAME)};

static void
return_difference_of(ReturnSetInfo *info, const CdrRollupKey *key,
					 const int64 *stored, const int64 *expected)
{
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
	{
		Datum values[2 + CDR_ROLLUP_NDIMENSIONS + 3];
		bool  nulls[lengthof(values)] = {false};
		int	  next = 2 + CDR_ROLLUP_NDIMENSIONS;

		if (stored[i] == expected[i])
			continue;
		key_values(key, values, nulls);
		values[next++] = CStringGetTextDatum(measure_names[i]);
		values[next++] = Int64GetDatum(stored[i]);
		values[next++] = Int64GetDatum(expected[i]);
		tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
	}
}

/* Whatever is in the one and not in the other. */
static void
compare_rollups(ReturnSetInfo *info, CdrRollup *stored, CdrRollup *expected)
{
	static const int64 nothing[CDR_ROLLUP_NMEASURES];
	CdrRollupCursor	   cursor = {stored, 0};
	CdrRollupEntry	  *entry;

	while ((entry = cdr_rollup_next(&cursor)) != NULL)
	{
		CdrRollupEntry *other = cdr_rollup_find(expected, &entry->key);

		return_difference_of(info, &entry->key, entry->counts,
							 other == NULL ? nothing : other->counts);
	}
	cursor = (CdrRollupCursor){expected, 0};
	while ((entry = cdr_rollup_next(&cursor)) != NULL)
	{
		if (cdr_rollup_find(stored, &entry->key) == NULL)
			return_difference_of(info, &entry->key, nothing, entry->counts);
	}
}

PG_FUNCTION_INFO_V1(cdr_verify_rollup);

/* Reads all calls, whoever is asking and whatever policies there are. */
Datum
cdr_verify_rollup(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrTables	   all;
	CdrRollup	  *stored;
	CdrRollup	  *expected;

	cdr_tables_require(&all, AccessShareLock);
	InitMaterializedSRF(fcinfo, 0);
	if (info->setDesc->natts != 2 + CDR_ROLLUP_NDIMENSIONS + 3)
		elog(ERROR, "cdr_verify_rollup() is not declared as it is");
	if (!cdr_rollup_hangs(&all))
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("changes of table \"calls\" are not counted"),
				 errdetail("The triggers of extension \"%s\" are missing or "
						   "disabled.",
						   CDR_EXTENSION_NAME),
				 errhint("cdr_rebuild_rollup() makes them, and the rollup, "
						 "anew.")));
	stored = read_rollup(require_rollup(), DT_NOBEGIN, DT_NOEND);
	expected = cdr_rollup_create(CurrentMemoryContext);
	cdr_rollup_recount(require_rollup(), GetActiveSnapshot(), expected,
					   InvalidOid);
	compare_rollups(info, stored, expected);
	return (Datum) 0;
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
	(void) require_rollup();
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
	PG_RETURN_INT64(cdr_rollup_fold(require_rollup(), PG_INT64_MAX));
}
