/*-------------------------------------------------------------------------
 *
 * rebuild.c
 *	  SQL: the stored calls, written anew from the log.
 *
 * Beside batches that are stored at the same time.  A batch inserts its events
 * and then, in the same transaction, merges them into the rows of their calls,
 * in the order of the calls.  So a call is written anew in three steps:
 *
 * 1. a row is inserted for it, with what the log said at the beginning; if there
 *	  is one, ON CONFLICT locks it instead.  (Whoever else is inserting one is
 *	  waited for, and then his is locked.)
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

/* Calls that are written anew at a time: locked, then read, then written. */
#define WRONG_MAX 1000

/* clang-format off */

#define NAME(name, type, comment)	   ", " #name
#define OID(name, type, comment)	   CDR_OID_##type,
#define OVERWRITE(name, type, comment) ", " #name " = EXCLUDED." #name

/* A value as it is compared; text by its bytes. */
#define AS_TEXT		   "::text COLLATE \"C\""
#define AS_STATUS	   AS_TEXT
#define AS_TIME		   ""
#define AS_TIME_ALWAYS ""
#define AS_INTEGER	   ""
#define AS_BIGINT	   ""
#define AS_COUNT	   ""
#define AS_ANOMALIES   "::text[] COLLATE \"C\""
#define AS_BYTEA	   ""
#define HAS(name, type, comment)	 ", c." #name AS_##type
#define SHOULD(name, type, comment)	 ", EXCLUDED." #name AS_##type

/* Locks those that are there: WHERE is looked at after that. */
static CdrStatement lock_calls = {
	.sql = "INSERT INTO %1$s.calls (call_id" CDR_CALL_VALUES(NAME) ")"
		   " SELECT * FROM %2$s ON CONFLICT (call_id) DO UPDATE"
		   " SET call_id = EXCLUDED.call_id WHERE false",
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

/* For a row without events, which is not to be made. */
static CdrStatement lock_row = {
	.sql = "SELECT FROM ONLY %1$s.calls WHERE call_id = $1 FOR UPDATE",
	.ncolumns = 1,
	.types = {TEXTOID},
};

#define WRITE_CALLS \
	"INSERT INTO %1$s.calls AS c (call_id" CDR_CALL_VALUES(NAME) ")" \
	" SELECT * FROM %2$s ON CONFLICT (call_id) DO UPDATE" \
	" SET call_id = EXCLUDED.call_id" CDR_CALL_VALUES(OVERWRITE) \
	" WHERE (c.call_id" CDR_CALL_VALUES(HAS) ") IS DISTINCT FROM" \
	" (EXCLUDED.call_id" CDR_CALL_VALUES(SHOULD) ")"

static CdrStatement write_calls = {
	.sql = WRITE_CALLS
		   " AND EXCLUDED.event_count >= c.event_count",
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

static CdrStatement write_pruned_calls = {
	.sql = WRITE_CALLS,
	.has_rows = true,
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
	&lock_calls,		 &lock_row,		&write_calls,
	&write_pruned_calls, &delete_calls, NULL};

typedef struct Rebuild
{
	const CdrTables *tables;
	const CdrChoice *choice;
	bool			 prune;
	Datum			 wrong[WRONG_MAX]; /* ids of calls */
	int				 nwrong;
	CdrRows			*to_lock; /* those with events, not locked yet; or NULL */
	MemoryContext	 context; /* for these */
	MemoryContext	 scratch; /* for a row */
	int64			 written;
} Rebuild;

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

/* Step 1, for calls that have events. */
static void
lock_collected(Rebuild *rebuild)
{
	if (rebuild->to_lock == NULL)
		return;
	cdr_rows_execute(rebuild->to_lock, SPI_OK_INSERT);
	rebuild->written += SPI_processed;
	rebuild->to_lock = NULL;
}

/* The same for one that has none; false if its row is gone. */
static bool
lock_without_events(Rebuild *rebuild, Datum call_id)
{
	bool found;

	/* in the order of calls */
	lock_collected(rebuild);
	cdr_statement_execute(&lock_row, &call_id, NULL, SPI_OK_SELECT);
	found = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Notes a call that is wrong, and has it locked, now or with others. */
static void
note_wrong_call(Rebuild *rebuild, CdrComparison *c)
{
	CdrSide *named = c->stored.is_there ? &c->stored : &c->expected;
	Datum	 call_id = CDR_SIDE_VALUE(named, call_id);

	if (!c->expected.is_there && !lock_without_events(rebuild, call_id))
		return;
	MemoryContextSwitchTo(rebuild->context);
	rebuild->wrong[rebuild->nwrong++] =
		PointerGetDatum(DatumGetTextPCopy(call_id));
	if (!c->expected.is_there)
		return;
	if (rebuild->to_lock == NULL)
		rebuild->to_lock = cdr_rows_begin(&lock_calls);
	memcpy(rebuild->to_lock->values, c->expected.values,
		   sizeof(c->expected.values));
	memcpy(rebuild->to_lock->nulls, c->expected.nulls,
		   sizeof(c->expected.nulls));
	cdr_row_end(rebuild->to_lock);
}

/* A row that step 3 writes; its memory is let go of. */
static void
put_wrong_call(CdrRows *rows, const CdrCall *call, MemoryContext scratch)
{
	MemoryContext outer = MemoryContextSwitchTo(scratch);

	cdr_call_values(call, rows->values, rows->nulls);
	cdr_row_end(rows);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(scratch);
}

static bool
is_call(Datum call_id, const CdrCall *call)
{
	char *id = TextDatumGetCString(call_id);
	bool  result = strcmp(id, call->call_id) == 0;

	pfree(id);
	return result;
}

/* Steps 2 and 3, for calls that are locked; those without any event go. */
static void
write_locked_calls(Rebuild *rebuild)
{
	CdrRows *rows =
		cdr_rows_begin(rebuild->prune ? &write_pruned_calls : &write_calls);
	Datum	   *gone = palloc(rebuild->nwrong * sizeof(Datum));
	Datum		gone_ids;
	int			ngone = 0;
	CdrLogCalls log;
	CdrCall		call;
	bool		has_call;

	cdr_log_calls_open(&log, rebuild->tables,
					   cdr_text_array(rebuild->wrong, rebuild->nwrong),
					   CDR_AS_OF_NOW);
	has_call = cdr_log_calls_next(&log, &call);
	for (int i = 0; i < rebuild->nwrong; i++)
	{
		/* both are in the same order */
		if (!has_call || !is_call(rebuild->wrong[i], &call))
		{
			gone[ngone++] = rebuild->wrong[i];
			continue;
		}
		put_wrong_call(rows, &call, rebuild->scratch);
		has_call = cdr_log_calls_next(&log, &call);
	}
	cdr_log_calls_close(&log);

	cdr_rows_execute(rows, SPI_OK_INSERT);
	rebuild->written += SPI_processed;
	if (ngone == 0 || !rebuild->prune)
		return;
	gone_ids = cdr_text_array(gone, ngone);
	cdr_statement_execute(&delete_calls, &gone_ids, NULL, SPI_OK_DELETE);
	rebuild->written += SPI_processed;
}

static void
write_wrong_calls(Rebuild *rebuild)
{
	MemoryContext outer = MemoryContextSwitchTo(rebuild->context);

	lock_collected(rebuild);
	write_locked_calls(rebuild);
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
	rebuild->scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service row", ALLOCSET_DEFAULT_SIZES);
	cdr_comparison_open(&comparison, rebuild->tables, rebuild->choice);
	while (cdr_comparison_next(&comparison))
	{
		MemoryContext outer = MemoryContextSwitchTo(comparison.context);

		if (may_write(rebuild, &comparison))
			note_wrong_call(rebuild, &comparison);
		MemoryContextSwitchTo(outer);
		if (rebuild->nwrong == WRONG_MAX)
			write_wrong_calls(rebuild);
	}
	if (rebuild->nwrong > 0)
		write_wrong_calls(rebuild);
	cdr_comparison_close(&comparison);
	MemoryContextDelete(rebuild->scratch);
	MemoryContextDelete(rebuild->context);
}

int64
cdr_calls_rebuild(const CdrTables *tables, const CdrChoice *choice, bool prune)
{
	Rebuild *rebuild = palloc0(sizeof(Rebuild));

	rebuild->tables = tables;
	rebuild->choice = choice;
	rebuild->prune = prune;
	rebuild_calls(rebuild);
	return rebuild->written;
}
