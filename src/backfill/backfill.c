/*-------------------------------------------------------------------------
 *
 * backfill.c
 *	  SQL: the rows of a query become events, so many at a time, each time in a
 *	  transaction of its own.
 *
 * The query is the caller's own: it runs to its end, with the rights and settings
 * of the session and nobody else's, and its rows become JSON, before anything is
 * written, and no SQL of the caller runs after that.  So it sees the tables as of
 * one moment, neither a snapshot nor a lock of it lasts while its rows are recorded,
 * and whatever is dropped or changed then changes no row.
 *
 * What was committed stays, however it ends.  Rows that were recorded are known
 * when they come again: so whoever repeats the call gets the rest.
 *
 * Memory.  The rows of the query are in a tuple store, in a file beyond work_mem,
 * which lives across transactions; of those that are being recorded, so many or
 * PORTION_BYTES, whichever is less, and one at least.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "backfill/query.h"
#include "backfill/rows.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/progress.h"
#include "store/constraints.h"
#include "store/writer.h"

/* Rows that are recorded in one transaction, at most, and bytes of their JSON. */
#define PORTION_MAX	  10000
#define PORTION_BYTES (8 * 1024 * 1024)

/* How often a portion is tried, if others are in the way, and the milliseconds
 * between the first two tries; then twice as many, and so on. */
#define TRIES	   6
#define FIRST_WAIT 100

/* Milliseconds between two notices of how far it is. */
#define NOTICE_EVERY 10000

/* A backfill that is under way. */
typedef struct Backfill
{
	CdrRowReading	 reading;
	int				 portion;
	Tuplestorestate *store; /* what the query returned, as JSON */
	TupleTableSlot	*slot;	/* a row of it */
	int64			 total; /* rows in it */
	CdrRowCounts	 counts;
	CdrProgress		 progress;
	CdrMoment		 next_notice;
} Backfill;

/* ------------------------------------------------------------------------
 * In many transactions
 * ------------------------------------------------------------------------
 */

/* The next rows in the current context; how many. */
static int
take_portion(Backfill *fill, Datum *rows)
{
	int	 count = 0;
	Size bytes = 0;

	while (count < fill->portion && bytes < PORTION_BYTES &&
		   tuplestore_gettupleslot(fill->store, true, false, fill->slot))
	{
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		rows[count] = PointerGetDatum(
			DatumGetTextPCopy(slot_getattr(fill->slot, 1, &isnull)));
		bytes += VARSIZE_ANY(DatumGetPointer(rows[count]));
		count++;
	}
	/* what was read from a file is in this context, too */
	ExecClearTuple(fill->slot);
	return count;
}

/*
 * How far it is: in pg_stat_activity, in place of the command, and for whoever
 * waits for it, now and then.
 */
static void
show_progress(Backfill *fill)
{
	const CdrRowCounts *counts = &fill->counts;
	char			   *text = psprintf(
					  "cdr_backfill: %lld of %lld rows, %lld stored, %lld known, %lld dead letters",
					  (long long) counts->rows, (long long) fill->total,
					  (long long) counts->stored, (long long) counts->known,
					  (long long) counts->dead_letters);

	pgstat_report_activity(STATE_RUNNING, text);
	fill->progress.done = counts->rows;
	cdr_progress_show(&fill->progress);
	if (cdr_milliseconds_until(fill->next_notice) > 0)
		return;
	fill->next_notice = cdr_after(NOTICE_EVERY);
	ereport(NOTICE, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
					 errmsg_internal("%s", text)));
}

/* Where an error comes from, and what became of the rows before. */
static void
tell_place(void *argument)
{
	const Backfill *fill = argument;

	errcontext("recording rows from number %lld on, of %lld; those before are "
			   "recorded",
			   (long long) fill->counts.rows + 1, (long long) fill->total);
}

/* May what failed succeed when it is tried again, as it is? */
static bool
is_of_others(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK;
}

/*
 * Records rows in a subtransaction.  False, with nothing done, if others, who record
 * the same calls, were in the way: a deadlock, or a snapshot that is too old.
 */
static bool
try_portion(Backfill *fill, const Datum *rows, int count, bool is_last_try)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(
		context, "cdr_service try of rows", ALLOCSET_DEFAULT_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	CdrRowCounts  counts = fill->counts;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		cdr_backfill_store(&fill->reading, rows, count, &counts);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		fill->counts = counts;
		done = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(scratch);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		cdr_writer_forget_plans();
		if (is_last_try || !is_of_others(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextDelete(scratch);
	return done;
}

/*
 * Lets those go first who were in the way: else they would wait for this portion
 * again, and it for them.
 */
static void
wait_for_others(long milliseconds)
{
	CdrMoment until = cdr_after(milliseconds);
	long	  left;

	while ((left = cdr_milliseconds_until(until)) > 0)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* The same in a transaction of its own, some times if need be. */
static void
record_rows(Backfill *fill, const Datum *rows, int count)
{
	bool done = false;

	for (int n = 1; !done; n++)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		cdr_check_constraints_at_once();
		done = try_portion(fill, rows, count, n == TRIES);
		PopActiveSnapshot();
		if (done)
			SPI_commit();
		else
		{
			SPI_rollback();
			wait_for_others(FIRST_WAIT << (n - 1));
		}
	}
}

/* The next rows; false: there are none. */
static bool
record_portion(Backfill *fill, Datum *rows)
{
	ErrorContextCallback place = {
		.previous = error_context_stack, .callback = tell_place, .arg = fill};
	int count;

	error_context_stack = &place;
	count = take_portion(fill, rows);
	if (count > 0)
		record_rows(fill, rows, count);
	error_context_stack = place.previous;
	return count > 0;
}

static void
record_all(Backfill *fill, const char *query)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service portion", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = CurrentMemoryContext;
	Datum		 *rows;

	cdr_progress_begin(&fill->progress, CDR_WORK_BACKFILL, -1);
	cdr_progress_phase(&fill->progress, CDR_PHASE_QUERYING, -1);
	fill->total = cdr_backfill_query(query, fill->store);
	cdr_progress_phase(&fill->progress, CDR_PHASE_WORKING, fill->total);
	/* so that no lock and no snapshot of it lasts */
	SPI_commit();
	rows = palloc(fill->portion * sizeof(Datum));
	fill->next_notice = cdr_after(NOTICE_EVERY);
	MemoryContextSwitchTo(context);
	show_progress(fill);
	while (record_portion(fill, rows))
	{
		show_progress(fill);
		MemoryContextReset(context);
	}
	cdr_progress_end();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/* The file of a tuple store that outlives transactions has to be closed. */
static void
run_backfill(Backfill *fill, const char *query)
{
	fill->store = tuplestore_begin_heap(false, true, work_mem);
	fill->slot =
		MakeSingleTupleTableSlot(cdr_backfill_columns(), &TTSOpsMinimalTuple);
	PG_TRY();
	{
		record_all(fill, query);
	}
	PG_FINALLY();
	{
		tuplestore_end(fill->store);
	}
	PG_END_TRY();
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
}

static void
check_may_end_transactions(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("cdr_backfill() cannot be called in a transaction "
						"block or a function"),
				 errdetail("It commits each portion of the rows."),
				 errhint("Use cdr_ingest_rows() there.")));
}

static char *
text_required(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static int
portion_wanted(FunctionCallInfo fcinfo)
{
	int portion = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);

	if (portion < 1 || portion > PORTION_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("portion must be between 1 and %d", PORTION_MAX)));
	return portion;
}

PG_FUNCTION_INFO_V1(cdr_backfill);

Datum
cdr_backfill(PG_FUNCTION_ARGS)
{
	Backfill	fill = {.portion = portion_wanted(fcinfo)};
	const char *mapping;
	const char *query;

	check_may_end_transactions(fcinfo);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	mapping = text_required(fcinfo, 0, "mapping");
	query = text_required(fcinfo, 1, "query");
	cdr_backfill_begin(mapping, PG_ARGISNULL(3) || PG_GETARG_BOOL(3),
					   &fill.reading);
	run_backfill(&fill, query);
	SPI_finish();
	PG_RETURN_DATUM(cdr_backfill_counts(fcinfo, &fill.counts));
}
