/*-------------------------------------------------------------------------
 *
 * rebuild_calls.c
 *	  SQL: the calls that differ, written anew, in one transaction or in many.
 *
 * A function cannot commit: what cdr_rebuild_calls() has written stays locked
 * until its caller's transaction ends.  The procedure ends a transaction after
 * each slice.  It reads first which calls there are, and then each slice as of
 * then, so that no snapshot and no lock lasts longer than a slice.
 *
 * Memory.  The ids are in a tuple store, in a file beyond work_mem, which lives
 * across transactions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "store/constraints.h"
#include "store/rebuild.h"
#include "store/remap.h"
#include "store/writer.h"
#include "store/writer_query.h"

/* What is to be forgotten has to be named. */
static void
check_prune(const CdrChoice *choice)
{
	if (choice->kind == CDR_ALL_CALLS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prune needs calls or a stretch of time"),
				 errdetail("Calls whose events were retired would be deleted, "
						   "or lose what these said."),
				 errhint("Give call_id, or call_ids, or from_time and "
						 "to_time.")));
}

/* Both have the same first five arguments. */
static CdrChoice
rebuild_choice(FunctionCallInfo fcinfo, bool *prune)
{
	CdrChoice choice = cdr_choice(fcinfo, 4);

	*prune = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	if (*prune)
		check_prune(&choice);
	return choice;
}

static int64
rebuild_chosen(const CdrChoice *choice, bool prune, CdrProgress *progress,
			   int64 *left)
{
	CdrTables tables;
	CdrRights rights;
	int64	  written;

	cdr_tables_require(&tables, RowExclusiveLock);
	if (progress->total < 0)
		progress->total = cdr_choice_size(&tables, choice);
	cdr_progress_show(progress);
	cdr_writer_open(&tables, &rights);
	written = cdr_calls_rebuild(&tables, choice, prune, progress, left);
	cdr_writer_close(&rights);
	return written;
}

/*
 * Two arguments of both functions: whether events are read anew first, and from
 * which exchange those came of which the log does not know it.  Returns how many
 * calls were written for that.
 */
static int64
remap_if_asked(FunctionCallInfo fcinfo, int argument, const CdrChoice *choice,
			   int slice, bool commits)
{
	CdrRemap remap = {.choice = choice, .slice = slice, .commits = commits};

	if (PG_ARGISNULL(argument) || !PG_GETARG_BOOL(argument))
	{
		if (!PG_ARGISNULL(argument + 1))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("exchange is given without remap")));
		return 0;
	}
	if (!PG_ARGISNULL(argument + 1))
		remap.exchange = text_to_cstring(PG_GETARG_TEXT_PP(argument + 1));
	return cdr_remap(&remap);
}

/* A call that differs is not passed over in silence. */
static void
tell_left(int64 left)
{
	if (left > 0)
		ereport(
			NOTICE,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg_plural("%lld call that differs was left as it is",
						   "%lld calls that differ were left as they are",
						   (unsigned long) left, (long long) left),
			 errdetail_plural(
				 "Its row has counted more events than the log has.",
				 "Their rows have counted more events than the log has.",
				 (unsigned long) left),
			 errhint(
				 "With prune => true, for calls that are named or lie in a stretch of "
				 "time, what the log lacks is forgotten.")));
}

PG_FUNCTION_INFO_V1(cdr_rebuild_calls);

Datum
cdr_rebuild_calls(PG_FUNCTION_ARGS)
{
	bool		prune;
	CdrChoice	choice = rebuild_choice(fcinfo, &prune);
	CdrProgress progress;
	int64		left = 0;
	int64 written = remap_if_asked(fcinfo, 5, &choice, CDR_SLICE_MAX, false);

	/* what was moved is to be seen */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	cdr_progress_begin(&progress, CDR_WORK_REBUILD_CALLS, -1);
	written += rebuild_chosen(&choice, prune, &progress, &left);
	cdr_progress_end();
	PopActiveSnapshot();
	tell_left(left);
	PG_RETURN_INT64(written);
}

/* ------------------------------------------------------------------------
 * In many transactions
 * ------------------------------------------------------------------------
 */

/* The ids of the calls, which outlive the transaction. */
typedef struct ChosenIds
{
	Tuplestorestate *store;
	TupleTableSlot	*slot;
} ChosenIds;

static void
put_id(ChosenIds *ids, Datum id)
{
	bool isnull = false;

	tuplestore_putvalues(ids->store, ids->slot->tts_tupleDescriptor, &id,
						 &isnull);
}

/* Those of a query, as of now. */
static void
put_found_ids(ChosenIds *ids, const CdrChoice *choice)
{
	CdrTables tables;
	CdrRights rights;
	CdrCursor cursor;
	bool	  isnull;

	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	cdr_chosen_ids_open(&cursor, &tables, choice);
	while (cdr_cursor_next(&cursor) != NULL)
		put_id(ids, cdr_cursor_value(&cursor, 1, &isnull));
	cdr_cursor_close(&cursor);
	cdr_writer_query_close(&rights);
}

/* The next ids, max of them at most, into an array in the current context. */
static int
take_slice(ChosenIds *ids, Datum *slice, int max)
{
	int	 count = 0;
	bool isnull;

	while (count < max &&
		   tuplestore_gettupleslot(ids->store, true, false, ids->slot))
		slice[count++] = PointerGetDatum(
			DatumGetTextPCopy(slot_getattr(ids->slot, 1, &isnull)));
	/* what was read from a file is in this context, too */
	ExecClearTuple(ids->slot);
	return count;
}

/*
 * Each slice in a transaction of its own: the first one in that of the caller,
 * which is over with it.
 */
static int64
rebuild_slices(ChosenIds *ids, const CdrChoice *choice, bool prune, int max,
			   int64 *left)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service slice", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	CdrChoice	  slice = *choice;
	CdrProgress	  progress;
	int64		  written = 0;

	cdr_progress_begin(&progress, CDR_WORK_REBUILD_CALLS, -1);
	if (choice->kind == CDR_NAMED_CALLS)
	{
		for (int i = 0; i < choice->nids; i++)
			put_id(ids, choice->ids[i]);
	}
	else
		put_found_ids(ids, choice);
	progress.total = tuplestore_tuple_count(ids->store);

	/* the time stays that of the choice: prune asks for it */
	slice.kind = CDR_NAMED_CALLS;
	slice.ids = MemoryContextAlloc(outer, max * sizeof(Datum));
	while ((slice.nids = take_slice(ids, slice.ids, max)) > 0)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		cdr_check_constraints_at_once();
		written += rebuild_chosen(&slice, prune, &progress, left);
		PopActiveSnapshot();
		SPI_commit();
		MemoryContextReset(context);
	}
	cdr_progress_end();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return written;
}

/* The file of a tuple store that outlives transactions has to be closed. */
static int64
rebuild_in_slices(const CdrChoice *choice, bool prune, int max)
{
	TupleDesc	   column = CreateTemplateTupleDesc(1);
	ChosenIds	   ids;
	volatile int64 written = 0;
	int64		   left = 0;

	TupleDescInitEntry(column, 1, "call_id", TEXTOID, -1, 0);
	ids.slot = MakeSingleTupleTableSlot(column, &TTSOpsMinimalTuple);
	ids.store = tuplestore_begin_heap(false, true, work_mem);
	PG_TRY();
	{
		written = rebuild_slices(&ids, choice, prune, max, &left);
	}
	PG_FINALLY();
	{
		tuplestore_end(ids.store);
	}
	PG_END_TRY();
	tell_left(left);
	return written;
}

static int
slice_size(FunctionCallInfo fcinfo)
{
	int max = PG_ARGISNULL(5) ? CDR_SLICE_MAX : PG_GETARG_INT32(5);

	if (max < 1 || max > CDR_SLICE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("slice must be between 1 and %d", CDR_SLICE_MAX)));
	return max;
}

static void
check_may_commit(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("cdr_rebuild_calls_in_slices() cannot be called in a "
						"transaction block or a function"),
				 errhint("Use cdr_rebuild_calls() there.")));
}

PG_FUNCTION_INFO_V1(cdr_rebuild_calls_in_slices);

Datum
cdr_rebuild_calls_in_slices(PG_FUNCTION_ARGS)
{
	bool	  prune;
	CdrChoice choice = rebuild_choice(fcinfo, &prune);
	int		  max = slice_size(fcinfo);
	bool	  isnull = false;
	TupleDesc columns;
	int64	  remapped;
	Datum	  written;

	check_may_commit(fcinfo);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	remapped = remap_if_asked(fcinfo, 6, &choice, max, true);
	/* a commit has left none */
	EnsurePortalSnapshotExists();
	written = Int64GetDatum(remapped + rebuild_in_slices(&choice, prune, max));
	SPI_finish();

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "cdr_rebuild_calls_in_slices() is not declared as it is");
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(columns), &written, &isnull)));
}
