/*-------------------------------------------------------------------------
 *
 * rebuild.c
 *	  SQL: the stored calls, written anew from the log.
 *
 * Beside batches that are stored at the same time.  A batch inserts its events
 * and then, in the same transaction, merges them into the rows of their calls,
 * in the order of the calls.  So a call is written anew in three steps:
 *
 * 1. its row is locked; if there is none, one is inserted, with what the log
 *	  said at the beginning, which locks it as well: whoever else inserts it is
 *	  waited for by the unique index, and then his row is locked;
 * 2. the log is read with a snapshot taken after that;
 * 3. the row is made what these events say.
 *
 * Whoever had merged into the row before step 1 has committed, or aborted, by
 * then: his events are all in that snapshot, or gone.  Whoever comes later waits
 * for the row, has not committed, and so none of his events is in the snapshot;
 * he adds them to the row of step 3.  So each event counts once.
 *
 * Only calls that differ are locked, in the order in which batches lock them,
 * until the caller's transaction ends.  No table is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/call_values.h"
#include "store/comparison.h"
#include "store/rebuild.h"
#include "store/table_columns.h"
#include "store/writer.h"

/* Calls that are written anew at a time: locked, then read, then written. */
#define WRONG_MAX 1000

/* clang-format off */

#define NAME(name, type, reg)	   ", " #name
#define OID(name, type, reg)	   CDR_OID_##type,
#define OVERWRITE(name, type, reg) ", " #name " = EXCLUDED." #name

/* A value as it is compared; text by its bytes. */
#define AS_TEXT		   "::text COLLATE \"C\""
#define AS_TIME		   ""
#define AS_TIME_ALWAYS ""
#define AS_BIGINT	   ""
#define AS_COUNT	   ""
#define AS_UUID		   ""
#define HAS(name, type, reg)	 ", c." #name AS_##type
#define SHOULD(name, type, reg)	 ", EXCLUDED." #name AS_##type

static CdrStatement lock_call = {
	.sql = "SELECT event_count::int8 FROM ONLY %1$s.calls"
		   " WHERE call_id = $1 FOR UPDATE",
	.ncolumns = 1,
	.types = {TEXTOID},
};

static CdrStatement insert_missing_call = {
	.sql = "INSERT INTO %1$s.calls (call_id" CDR_CALL_VALUES(NAME) ")"
		   " SELECT * FROM missing_call ON CONFLICT (call_id) DO NOTHING",
	.rows = "missing_call",
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

static CdrStatement write_calls = {
	.sql = "INSERT INTO %1$s.calls AS c (call_id" CDR_CALL_VALUES(NAME) ")"
		   " SELECT * FROM rebuilt_calls ON CONFLICT (call_id) DO UPDATE"
		   " SET call_id = EXCLUDED.call_id" CDR_CALL_VALUES(OVERWRITE)
		   " WHERE (c.call_id" CDR_CALL_VALUES(HAS) ") IS DISTINCT FROM"
		   " (EXCLUDED.call_id" CDR_CALL_VALUES(SHOULD) ")",
	.rows = "rebuilt_calls",
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

static CdrStatement delete_calls = {
	.sql = "DELETE FROM ONLY %1$s.calls WHERE call_id = ANY ($1)",
	.ncolumns = 1,
	.types = {TEXTARRAYOID},
};

/* clang-format on */

CdrStatement *const cdr_rebuild_statements[] = {
	&lock_call, &insert_missing_call, &write_calls, &delete_calls, NULL};

/* A call that is wrong, and locked. */
typedef struct WrongCall
{
	Datum call_id;
	int64 event_count; /* that its row has counted */
} WrongCall;

typedef struct Rebuild
{
	const CdrTables *tables;
	const CdrChoice *choice;
	bool			 prune;
	WrongCall		 wrong[WRONG_MAX];
	int				 nwrong;
	MemoryContext	 context; /* for these */
	int64			 written;
} Rebuild;

/* Step 1, for a row that should be there; how many events it has counted. */
static bool
lock_row(Datum call_id, int64 *event_count)
{
	bool found;
	bool isnull;

	cdr_statement_execute(&lock_call, &call_id, NULL, SPI_OK_SELECT);
	found = SPI_processed > 0;
	if (found)
		*event_count = DatumGetInt64(cdr_result(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Step 1, for a row that is missing; false if it is there after all. */
static bool
insert_row(const CdrSide *expected)
{
	CdrRows *rows = cdr_rows_begin(&insert_missing_call);

	memcpy(rows->values, expected->values, sizeof(expected->values));
	memcpy(rows->nulls, expected->nulls, sizeof(expected->nulls));
	cdr_row_end(rows);
	cdr_rows_execute(rows, SPI_OK_INSERT);
	return SPI_processed > 0;
}

static int64
side_count(const CdrSide *side)
{
	return side->is_there ? DatumGetInt64(CDR_SIDE_VALUE(side, event_count))
						  : 0;
}

/* Does what the row says of a call lie in the stretch of time asked for? */
static bool
lies_within(const CdrChoice *choice, const CdrSide *stored)
{
	TimestampTz first =
		DatumGetTimestampTz(CDR_SIDE_VALUE(stored, first_event_time));
	TimestampTz last =
		DatumGetTimestampTz(CDR_SIDE_VALUE(stored, last_event_time));

	return choice->kind != CDR_CALLS_OF_TIME ||
		   (first >= choice->from && last < choice->to);
}

/*
 * A call that has counted more events than the log holds lost them to
 * retention: what it says is all that is left of them.  It is written anew only
 * if that is asked for, and if it was asked for all the time that it lasted.
 */
static bool
may_write(const Rebuild *rebuild, const CdrComparison *c)
{
	if (side_count(&c->stored) <= side_count(&c->expected))
		return true;
	return rebuild->prune && lies_within(rebuild->choice, &c->stored);
}

/* Step 1; false if there is nothing to write. */
static bool
lock_wrong_call(Rebuild *rebuild, CdrComparison *c)
{
	WrongCall *wrong = &rebuild->wrong[rebuild->nwrong];
	CdrSide	  *named = c->stored.is_there ? &c->stored : &c->expected;
	Datum	   call_id = CDR_SIDE_VALUE(named, call_id);
	bool	   locked;

	locked = c->stored.is_there && lock_row(call_id, &wrong->event_count);
	if (!locked && c->expected.is_there)
	{
		locked = insert_row(&c->expected);
		wrong->event_count = side_count(&c->expected);
		if (locked)
			rebuild->written++;
		else
			locked = lock_row(call_id, &wrong->event_count);
	}
	if (!locked)
		return false;
	MemoryContextSwitchTo(rebuild->context);
	wrong->call_id = PointerGetDatum(DatumGetTextPCopy(call_id));
	rebuild->nwrong++;
	return true;
}

/* A row that step 3 writes; its memory is let go of. */
static void
put_call(CdrRows *rows, const CdrCall *call, MemoryContext scratch)
{
	MemoryContext outer = MemoryContextSwitchTo(scratch);

	cdr_call_values(call, rows->values, rows->nulls);
	cdr_row_end(rows);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(scratch);
}

static bool
is_call(const WrongCall *wrong, const CdrCall *call)
{
	char *call_id = TextDatumGetCString(wrong->call_id);
	bool  result = strcmp(call_id, call->call_id) == 0;

	pfree(call_id);
	return result;
}

static Datum
wrong_ids(const Rebuild *rebuild)
{
	Datum *ids = palloc(rebuild->nwrong * sizeof(Datum));

	for (int i = 0; i < rebuild->nwrong; i++)
		ids[i] = rebuild->wrong[i].call_id;
	return cdr_text_array(ids, rebuild->nwrong);
}

/* Steps 2 and 3, for calls that are locked; those without any event go. */
static void
write_wrong_calls(Rebuild *rebuild)
{
	MemoryContext outer = MemoryContextSwitchTo(rebuild->context);
	MemoryContext scratch = AllocSetContextCreate(
		rebuild->context, "cdr_service row", ALLOCSET_DEFAULT_SIZES);
	CdrRows	   *rows = cdr_rows_begin(&write_calls);
	Datum	   *gone = palloc(rebuild->nwrong * sizeof(Datum));
	int			ngone = 0;
	CdrLogCalls log;
	CdrCall		call;
	bool		has_call;
	Datum		ids;

	cdr_log_calls_open(&log, rebuild->tables, wrong_ids(rebuild),
					   CDR_AS_OF_NOW);
	has_call = cdr_log_calls_next(&log, &call);
	for (int i = 0; i < rebuild->nwrong; i++)
	{
		const WrongCall *wrong = &rebuild->wrong[i];

		/* both are in the same order */
		if (!has_call || !is_call(wrong, &call))
		{
			gone[ngone++] = wrong->call_id;
			continue;
		}
		if (rebuild->prune || call.event_count >= wrong->event_count)
			put_call(rows, &call, scratch);
		has_call = cdr_log_calls_next(&log, &call);
	}
	cdr_log_calls_close(&log);

	cdr_rows_execute(rows, SPI_OK_INSERT);
	rebuild->written += SPI_processed;
	if (ngone > 0 && rebuild->prune)
	{
		ids = cdr_text_array(gone, ngone);
		cdr_statement_execute(&delete_calls, &ids, NULL, SPI_OK_DELETE);
		rebuild->written += SPI_processed;
	}
	MemoryContextSwitchTo(outer);
	MemoryContextReset(rebuild->context);
	rebuild->nwrong = 0;
}

static void
rebuild_calls(Rebuild *rebuild)
{
	CdrComparison comparison;

	rebuild->context =
		AllocSetContextCreate(CurrentMemoryContext, "cdr_service wrong calls",
							  ALLOCSET_DEFAULT_SIZES);
	cdr_comparison_open(&comparison, rebuild->tables, rebuild->choice);
	while (cdr_comparison_next(&comparison))
	{
		MemoryContext outer = MemoryContextSwitchTo(comparison.context);

		if (may_write(rebuild, &comparison))
			(void) lock_wrong_call(rebuild, &comparison);
		MemoryContextSwitchTo(outer);
		if (rebuild->nwrong == WRONG_MAX)
			write_wrong_calls(rebuild);
	}
	if (rebuild->nwrong > 0)
		write_wrong_calls(rebuild);
	cdr_comparison_close(&comparison);
	MemoryContextDelete(rebuild->context);
}

/* What is to be forgotten has to be named. */
static void
check_prune(const CdrChoice *choice)
{
	if (choice->kind == CDR_ALL_CALLS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prune needs a call or a stretch of time"),
				 errdetail("Calls whose events were retired would be deleted, "
						   "or lose what these said."),
				 errhint("Give call_id, or from_time and to_time.")));
}

PG_FUNCTION_INFO_V1(cdr_rebuild_calls);

Datum
cdr_rebuild_calls(PG_FUNCTION_ARGS)
{
	CdrChoice choice = cdr_choice(fcinfo);
	Rebuild	 *rebuild = palloc0(sizeof(Rebuild));
	CdrTables tables;
	CdrRights rights;

	rebuild->tables = &tables;
	rebuild->choice = &choice;
	rebuild->prune = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	if (rebuild->prune)
		check_prune(&choice);
	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	rebuild_calls(rebuild);
	cdr_writer_close(&rights);
	PG_RETURN_INT64(rebuild->written);
}
