/*-------------------------------------------------------------------------
 *
 * rebuild.c
 *	  The stored calls, written anew from the log.
 *
 * Beside batches that are stored at the same time.  A batch inserts its events
 * and then, in the same transaction, merges them into the rows of their calls,
 * in the order of the calls.  So a call is written anew in three steps:
 *
 * 1. a row is inserted for it, with what the log said at the beginning; if there
 *	  is one, ON CONFLICT locks it instead.  (Whoever else is inserting one is
 *	  waited for, and then his is locked.)
 * 2. row and log are compared with a snapshot taken after that;
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

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/call_values.h"
#include "store/comparison.h"
#include "store/erased.h"
#include "store/rebuild.h"
#include "store/table_columns.h"

/* Calls that are written anew at a time: locked, then read, then written. */
#define WRONG_MAX 1000

/* clang-format off */

#define NAME(name, type, comment)	   ", " #name
#define OID(name, type, comment)	   CDR_OID_##type,
#define OVERWRITE(name, type, comment) ", " #name " = EXCLUDED." #name

/* Locks those that are there: WHERE is looked at after that. */
static CdrStatement lock_calls = {
	.sql = "INSERT INTO %1$s.calls (call_id" CDR_CALL_VALUES(NAME) ")"
		   " SELECT * FROM %2$s ON CONFLICT (call_id) DO UPDATE"
		   " SET call_id = EXCLUDED.call_id WHERE false",
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

/* For a row that says more than the log does, and is not to be made from it. */
static CdrStatement lock_row = {
	.sql = "SELECT FROM ONLY %1$s.calls WHERE call_id = $1 FOR UPDATE",
	.ncolumns = 1,
	.types = {TEXTOID},
};

static CdrStatement write_calls = {
	.sql = "INSERT INTO %1$s.calls (call_id" CDR_CALL_VALUES(NAME) ")"
		   " SELECT * FROM %2$s ON CONFLICT (call_id) DO UPDATE"
		   " SET call_id = EXCLUDED.call_id" CDR_CALL_VALUES(OVERWRITE),
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
	&lock_calls, &lock_row, &write_calls, &delete_calls, NULL};

typedef struct Rebuild
{
	const CdrTables *tables;
	const CdrChoice *choice;
	bool			 prune;
	CdrProgress		*progress;
	Datum			 wrong[WRONG_MAX]; /* ids of calls */
	int				 nwrong;
	CdrRows			*to_lock; /* those with events, not locked yet; or NULL */
	MemoryContext	 context; /* for these */
	int64			 written;
	int64			 left; /* that differ, and may not be written */
} Rebuild;

static int64
side_count(const CdrSide *side)
{
	return side->is_there ? DatumGetInt64(CDR_SIDE_VALUE(side, event_count))
						  : 0;
}

/*
 * A call that has counted more events than it is expected to lost them in a way
 * that nobody knows: what it says is all that is left of them.  It is written anew
 * only if that is asked for.
 */
static bool
may_write(const CdrComparison *c)
{
	return c->is_forgotten ||
		   (c->expected.is_there &&
			side_count(&c->stored) <= side_count(&c->expected));
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

/* The same for one that has none, or had others; false if its row is gone. */
static bool
lock_existing(Rebuild *rebuild, Datum call_id)
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
	bool	 by_log = c->has_events && !c->is_retired && !c->is_erased;

	if (!by_log && !lock_existing(rebuild, call_id))
		return;
	MemoryContextSwitchTo(rebuild->context);
	rebuild->wrong[rebuild->nwrong++] =
		PointerGetDatum(DatumGetTextPCopy(call_id));
	if (!by_log)
		return;
	if (rebuild->to_lock == NULL)
		rebuild->to_lock = cdr_rows_begin(&lock_calls);
	memcpy(rebuild->to_lock->values, c->expected.values,
		   sizeof(c->expected.values));
	memcpy(rebuild->to_lock->nulls, c->expected.nulls,
		   sizeof(c->expected.nulls));
	cdr_row_end(rebuild->to_lock);
}

/* Calls that step 3 writes, and those that it deletes. */
typedef struct Corrections
{
	CdrRows *rows;
	Datum	*gone;
	int		 ngone;
} Corrections;

static void
note_correction(Corrections *corrections, const CdrComparison *c)
{
	const CdrSide *expected = &c->expected;
	CdrRows		  *rows = corrections->rows;

	if (!expected->is_there)
	{
		corrections->gone[corrections->ngone++] = PointerGetDatum(
			DatumGetTextPCopy(CDR_SIDE_VALUE(&c->stored, call_id)));
		return;
	}
	memcpy(rows->values, expected->values, sizeof(expected->values));
	memcpy(rows->nulls, expected->nulls, sizeof(expected->nulls));
	cdr_row_end(rows);
}

/* Steps 2 and 3, for calls that are locked. */
static void
write_locked_calls(Rebuild *rebuild)
{
	CdrChoice	  choice = *rebuild->choice;
	Corrections	  corrections = {.rows = cdr_rows_begin(&write_calls),
								 .gone =
									 palloc(rebuild->nwrong * sizeof(Datum))};
	CdrComparison comparison;
	Datum		  gone;

	/* the time is that of the choice: prune asks for it */
	choice.kind = CDR_NAMED_CALLS;
	choice.ids = rebuild->wrong;
	choice.nids = rebuild->nwrong;
	cdr_comparison_open(&comparison, rebuild->tables, &choice, CDR_AS_OF_NOW,
						rebuild->prune);
	while (cdr_comparison_next(&comparison))
	{
		if (may_write(&comparison))
			note_correction(&corrections, &comparison);
		else
			rebuild->left++;
	}
	cdr_comparison_close(&comparison);

	cdr_rows_execute(corrections.rows, SPI_OK_INSERT);
	rebuild->written += SPI_processed;
	if (corrections.ngone == 0)
		return;
	gone = cdr_text_array(corrections.gone, corrections.ngone);
	cdr_statement_execute(&delete_calls, &gone, NULL, SPI_OK_DELETE);
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
	cdr_comparison_open(&comparison, rebuild->tables, rebuild->choice,
						CDR_AS_CALLER, rebuild->prune);
	comparison.progress = rebuild->progress;
	while (cdr_comparison_next(&comparison))
	{
		MemoryContext outer = MemoryContextSwitchTo(comparison.context);

		if (may_write(&comparison))
			note_wrong_call(rebuild, &comparison);
		else
			rebuild->left++;
		MemoryContextSwitchTo(outer);
		if (rebuild->nwrong == WRONG_MAX)
			write_wrong_calls(rebuild);
	}
	if (rebuild->nwrong > 0)
		write_wrong_calls(rebuild);
	cdr_comparison_close(&comparison);
	MemoryContextDelete(rebuild->context);
}

/* Who sees the tables as they were sees calls that were erased since. */
static void
require_present(void)
{
	if (IsolationUsesXactSnapshot() && cdr_erased_are_known())
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
						errmsg("calls are rebuilt under READ COMMITTED only"),
						errdetail("Calls were erased, perhaps since this "
								  "transaction began.")));
}

int64
cdr_calls_rebuild(const CdrTables *tables, const CdrChoice *choice, bool prune,
				  CdrProgress *progress, int64 *left)
{
	Rebuild *rebuild = palloc0(sizeof(Rebuild));

	rebuild->tables = tables;
	rebuild->choice = choice;
	rebuild->prune = prune;
	rebuild->progress = progress;
	require_present();
	/* the caller's may be from before the lock on the tables was granted: then calls
	 * that were erased or retired meanwhile would be written as they were */
	PushActiveSnapshot(GetTransactionSnapshot());
	rebuild_calls(rebuild);
	PopActiveSnapshot();
	*left += rebuild->left;
	return rebuild->written;
}
