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

#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "backfill/query.h"
#include "backfill/rows.h"
#include "base/clock.h"
#include "store/constraints.h"

/* Rows that are recorded in one transaction, at most, and bytes of their JSON. */
#define PORTION_MAX	  10000
#define PORTION_BYTES (8 * 1024 * 1024)

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

/* The next rows, in a transaction of their own; false: there are none. */
static bool
record_portion(Backfill *fill, Datum *rows)
{
	ErrorContextCallback place = {
		.previous = error_context_stack, .callback = tell_place, .arg = fill};
	int count;

	error_context_stack = &place;
	PushActiveSnapshot(GetTransactionSnapshot());
	cdr_check_constraints_at_once();
	count = take_portion(fill, rows);
	if (count > 0)
	{
		CdrRowCounts counts = fill->counts;

		cdr_backfill_store(&fill->reading, rows, count, &counts);
		PopActiveSnapshot();
		SPI_commit();
		fill->counts = counts;
	}
	else
		PopActiveSnapshot();
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

	fill->total = cdr_backfill_query(query, fill->store);
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
