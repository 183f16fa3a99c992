/*-------------------------------------------------------------------------
 *
 * rollup_verify.c
 *	  SQL: the rollup, compared with a recount.
 *
 * Memory.  There are as many keys as there was time.  So no more than some thousand
 * are kept in memory; beyond that, what is stored and what was counted goes into a sort,
 * which has work_mem and goes on on disk, and comes out of it key by key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/result.h"
#include "store/rollup_fold.h"
#include "store/rollup_functions.h"
#include "store/rollup_pending.h"
#include "store/rollup_trigger.h"

/* Columns of the sort: key, what it is of, counts. */
#define KEY_COLUMNS	  (2 + CDR_ROLLUP_NDIMENSIONS)
#define ORIGIN_COLUMN KEY_COLUMNS
#define SORTED_COUNTS (ORIGIN_COLUMN + 1)
#define SORTED_ALL	  (SORTED_COUNTS + CDR_ROLLUP_NMEASURES)

/* Keys of the sort that are compared together. */
#define COMPARED_AT_ONCE 1000

typedef enum Origin
{
	STORED,
	EXPECTED,
	NORIGINS
} Origin;

typedef struct Verifying
{
	TupleDesc		row;
	Tuplesortstate *sort;
	TupleTableSlot *slot;	 /* of a row that goes into it */
	MemoryContext	context; /* of its values */
	Origin			origin;	 /* of what is drained */
	CdrProgress		progress;
} Verifying;

/* ------------------------------------------------------------------------
 * The sort
 * ------------------------------------------------------------------------
 */

static Oid
type_of_sorted(int column)
{
	return column == 0								? TIMESTAMPTZOID
		   : column == 1 || column == ORIGIN_COLUMN ? INT4OID
		   : column < KEY_COLUMNS					? TEXTOID
													: INT8OID;
}

static void
begin_sort(Verifying *verifying)
{
	AttrNumber numbers[KEY_COLUMNS];
	Oid		   operators[KEY_COLUMNS];
	Oid		   collations[KEY_COLUMNS];
	bool	   nulls_first[KEY_COLUMNS] = {false};

	verifying->row = CreateTemplateTupleDesc(SORTED_ALL);
	for (int i = 0; i < SORTED_ALL; i++)
		TupleDescInitEntry(verifying->row, (AttrNumber) (i + 1), NULL,
						   type_of_sorted(i), -1, 0);
	for (int i = 0; i < KEY_COLUMNS; i++)
	{
		Oid type = type_of_sorted(i);

		numbers[i] = (AttrNumber) (i + 1);
		operators[i] = lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr;
		collations[i] = type == TEXTOID ? C_COLLATION_OID : InvalidOid;
	}
	verifying->sort = tuplesort_begin_heap(
		verifying->row, KEY_COLUMNS, numbers, operators, collations,
		nulls_first, work_mem, NULL, TUPLESORT_NONE);
	verifying->slot = MakeSingleTupleTableSlot(verifying->row, &TTSOpsVirtual);
	verifying->context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service row", ALLOCSET_DEFAULT_SIZES);
}

static void
put_sorted(const Verifying *verifying, const CdrRollupEntry *entry)
{
	TupleTableSlot *slot = verifying->slot;
	MemoryContext	outer = MemoryContextSwitchTo(verifying->context);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, SORTED_ALL * sizeof(bool));
	cdr_rollup_key_values(&entry->key, slot->tts_values, slot->tts_isnull);
	slot->tts_values[ORIGIN_COLUMN] = Int32GetDatum((int32) verifying->origin);
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
		slot->tts_values[SORTED_COUNTS + i] = Int64GetDatum(entry->counts[i]);
	ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(outer);
	tuplesort_puttupleslot(verifying->sort, slot);
	MemoryContextReset(verifying->context);
}

/* The texts lie in the slot. */
static Origin
get_sorted(TupleTableSlot *slot, CdrRollupEntry *entry)
{
	slot_getallattrs(slot);
	entry->key.bucket = DatumGetTimestampTz(slot->tts_values[0]);
	entry->key.quarters = DatumGetInt32(slot->tts_values[1]);
	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
	{
		text *value;

		entry->key.text[i] = (CdrRollupText){NULL, 0};
		if (slot->tts_isnull[2 + i])
			continue;
		value = DatumGetTextPP(slot->tts_values[2 + i]);
		entry->key.text[i].data = VARDATA_ANY(value);
		entry->key.text[i].length = (int) VARSIZE_ANY_EXHDR(value);
	}
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
		entry->counts[i] = DatumGetInt64(slot->tts_values[SORTED_COUNTS + i]);
	return (Origin) DatumGetInt32(slot->tts_values[ORIGIN_COLUMN]);
}

static void
sort_drained(const CdrRollup *rollup, void *argument)
{
	CdrRollupCursor cursor = {rollup, 0};
	CdrRollupEntry *entry;

	while ((entry = cdr_rollup_next(&cursor)) != NULL)
	{
		if (!cdr_rollup_is_zero(entry))
			put_sorted(argument, entry);
	}
}

/* ------------------------------------------------------------------------
 * What goes into it, and comes out
 * ------------------------------------------------------------------------
 */

static void
sort_stored(Verifying *verifying)
{
	CdrRollupTables tables = *cdr_rollup_require();
	CdrRollupDrain	drain = {sort_drained, verifying};
	CdrRollup	   *stored = cdr_rollup_create(CurrentMemoryContext);

	verifying->origin = STORED;
	cdr_rollup_read_all(tables.sums, GetActiveSnapshot(), &drain, stored);
	cdr_rollup_read_all(tables.deltas, GetActiveSnapshot(), &drain, stored);
	/* (these are bounded themselves) */
	cdr_rollup_join_pending(stored, 1);
	sort_drained(stored, verifying);
	cdr_rollup_free(stored);
}

static void
sort_expected(Verifying *verifying)
{
	CdrRollupTables tables = *cdr_rollup_require();
	CdrRollupDrain	drain = {sort_drained, verifying};
	CdrRollup	   *expected = cdr_rollup_create(CurrentMemoryContext);

	verifying->origin = EXPECTED;
	cdr_rollup_recount(&tables, GetActiveSnapshot(), expected, &drain,
					   &verifying->progress);
	sort_drained(expected, verifying);
	cdr_rollup_free(expected);
}

static const char *const measure_names[] = {
#define MEASURE_NAME(name) #name,
	CDR_ROLLUP_MEASURES(MEASURE_NAME)};

static void
return_difference_of(ReturnSetInfo *info, const CdrRollupKey *key,
					 const int64 *stored, const int64 *expected)
{
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
	{
		Datum values[KEY_COLUMNS + 3];
		bool  nulls[lengthof(values)] = {false};
		int	  next = KEY_COLUMNS;

		if (stored[i] == expected[i])
			continue;
		cdr_rollup_key_values(key, values, nulls);
		values[next++] = CStringGetTextDatum(measure_names[i]);
		values[next++] = Int64GetDatum(stored[i]);
		values[next++] = Int64GetDatum(expected[i]);
		CDR_PUT_ROW(info, values, nulls);
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

/* All of a key comes together. */
static void
compare_sorted(const Verifying *verifying, ReturnSetInfo *info)
{
	CdrRollup	   *of[NORIGINS] = {cdr_rollup_create(CurrentMemoryContext),
									cdr_rollup_create(CurrentMemoryContext)};
	TupleTableSlot *slot =
		MakeSingleTupleTableSlot(verifying->row, &TTSOpsMinimalTuple);

	while (tuplesort_gettupleslot(verifying->sort, true, false, slot, NULL))
	{
		CdrRollupEntry entry;
		Origin		   origin = get_sorted(slot, &entry);

		CHECK_FOR_INTERRUPTS();
		if (cdr_rollup_size(of[STORED]) + cdr_rollup_size(of[EXPECTED]) >=
				COMPARED_AT_ONCE &&
			cdr_rollup_find(of[STORED], &entry.key) == NULL &&
			cdr_rollup_find(of[EXPECTED], &entry.key) == NULL)
		{
			compare_rollups(info, of[STORED], of[EXPECTED]);
			cdr_rollup_clear(of[STORED]);
			cdr_rollup_clear(of[EXPECTED]);
		}
		cdr_rollup_add(cdr_rollup_entry(of[origin], &entry.key)->counts,
					   entry.counts, 1);
	}
	compare_rollups(info, of[STORED], of[EXPECTED]);
	ExecDropSingleTupleTableSlot(slot);
	cdr_rollup_free(of[STORED]);
	cdr_rollup_free(of[EXPECTED]);
}

PG_FUNCTION_INFO_V1(cdr_verify_rollup);

/* Reads all calls, whoever is asking and whatever policies there are. */
Datum
cdr_verify_rollup(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrTables	   all;
	Verifying	   verifying;

	cdr_tables_require(&all, AccessShareLock);
	InitMaterializedSRF(fcinfo, 0);
	if (info->setDesc->natts != KEY_COLUMNS + 3)
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
	begin_sort(&verifying);
	cdr_progress_begin(&verifying.progress, CDR_WORK_VERIFY_ROLLUP, -1);
	cdr_progress_phase(&verifying.progress, CDR_PHASE_READING_STORED, -1);
	sort_stored(&verifying);
	cdr_progress_phase(&verifying.progress, CDR_PHASE_READING_CALLS, -1);
	sort_expected(&verifying);
	tuplesort_performsort(verifying.sort);
	compare_sorted(&verifying, info);
	cdr_progress_end();
	tuplesort_end(verifying.sort);
	ExecDropSingleTupleTableSlot(verifying.slot);
	return (Datum) 0;
}
