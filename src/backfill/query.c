/*-------------------------------------------------------------------------
 *
 * query.c
 *	  The rows of the caller's query, as JSON.
 *
 * They become JSON while the query runs, in its transaction: so what that depends
 * on, types and casts and the tables that hold them, is locked or seen as the query
 * sees it, and no row becomes other JSON than the one before because somebody has
 * changed a type meanwhile.  A few rows wait until they become JSON together, under
 * settings that are not those of the query: to change these for each row would cost
 * more than the JSON.
 *
 * Memory.  The rows that wait, and their JSON, are in a context of their own, which
 * is reset.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "backfill/query.h"

/* Rows that wait to become JSON, at most, and their bytes. */
#define WAITING_MAX	  1000
#define WAITING_BYTES (1024 * 1024)

/* Where the rows of the query go. */
typedef struct JsonReceiver
{
	DestReceiver	 pub;
	Tuplestorestate *rows;
	TupleDesc		 columns; /* of rows */
	TupleTableSlot	*slot;	  /* of the query's columns */
	MemoryContext	 context; /* of all that is here */
	MemoryContext	 scratch; /* of the rows that wait */
	MinimalTuple	 waiting[WAITING_MAX];
	int				 count; /* of them */
	Size			 bytes;
	int64			 done; /* rows before them */
	int				 now;  /* which one becomes JSON */
} JsonReceiver;

TupleDesc
cdr_backfill_columns(void)
{
	TupleDesc columns = CreateTemplateTupleDesc(1);

	TupleDescInitEntry(columns, 1, "row", JSONOID, -1, 0);
	return columns;
}

/* ------------------------------------------------------------------------
 * Rows as JSON
 * ------------------------------------------------------------------------
 */

/*
 * What JSON of a value depends on, for the same row must be the same bytes in
 * every session.
 */
static int
fix_settings(void)
{
	static const char *const settings[][2] = {
		{"timezone", "UTC"},		   {"datestyle", "ISO, YMD"},
		{"intervalstyle", "postgres"}, {"extra_float_digits", "1"},
		{"bytea_output", "hex"},	   {"lc_monetary", "C"}};
	int level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return level;
}

/* A value of type json or jsonb, if that is all there is in a row, is the row. */
static Datum
row_as_json(TupleTableSlot *slot)
{
	TupleDesc columns = slot->tts_tupleDescriptor;
	Oid		  type =
		  columns->natts == 1 ? TupleDescAttr(columns, 0)->atttypid : InvalidOid;
	Datum value;
	bool  isnull;

	if (type != JSONOID && type != JSONBOID)
		return OidFunctionCall1(F_ROW_TO_JSON_RECORD,
								ExecFetchSlotHeapTupleDatum(slot));
	value = slot_getattr(slot, 1, &isnull);
	if (isnull)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("query returned a null for a row")));
	if (type == JSONBOID)
		return PointerGetDatum(cstring_to_text(
			DatumGetCString(OidFunctionCall1(F_JSONB_OUT, value))));
	return PointerGetDatum(DatumGetTextPCopy(value));
}

static void
take_as_json(JsonReceiver *receiver)
{
	for (int i = 0; i < receiver->count; i++)
	{
		Datum value;
		bool  isnull = false;

		CHECK_FOR_INTERRUPTS();
		receiver->now = i;
		ExecStoreMinimalTuple(receiver->waiting[i], receiver->slot, false);
		value = row_as_json(receiver->slot);
		tuplestore_putvalues(receiver->rows, receiver->columns, &value,
							 &isnull);
	}
}

static void
tell_row(void *argument)
{
	const JsonReceiver *receiver = argument;

	errcontext("making JSON of row %lld of the query; nothing is recorded yet",
			   (long long) receiver->done + receiver->now + 1);
}

/*
 * The server's own error for a type or function that is not there any more names a
 * number, and stands for a bug.
 */
static void
rethrow_as_changed(MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("row of the query cannot be made JSON"),
			 errdetail_internal("%s", error->message),
			 errhint("If a type or a function of the query was dropped while "
					 "it ran, call it again with a query of what there is.")));
}

/* Makes JSON of the rows that wait. */
static void
flush_waiting(JsonReceiver *receiver)
{
	MemoryContext		 outer = MemoryContextSwitchTo(receiver->scratch);
	ErrorContextCallback place = {.previous = error_context_stack,
								  .callback = tell_row,
								  .arg = receiver};
	int					 level = fix_settings();

	error_context_stack = &place;
	PG_TRY();
	{
		take_as_json(receiver);
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_INTERNAL_ERROR)
			rethrow_as_changed(receiver->context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	error_context_stack = place.previous;
	AtEOXact_GUC(false, level);
	ExecClearTuple(receiver->slot);
	receiver->done += receiver->count;
	receiver->count = 0;
	receiver->bytes = 0;
	MemoryContextSwitchTo(outer);
	MemoryContextReset(receiver->scratch);
}

/* ------------------------------------------------------------------------
 * The query
 * ------------------------------------------------------------------------
 */

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc columns)
{
	JsonReceiver *receiver = (JsonReceiver *) self;
	MemoryContext outer = MemoryContextSwitchTo(receiver->context);

	receiver->slot = MakeSingleTupleTableSlot(
		BlessTupleDesc(CreateTupleDescCopy(columns)), &TTSOpsMinimalTuple);
	MemoryContextSwitchTo(outer);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	JsonReceiver *receiver = (JsonReceiver *) self;
	MemoryContext outer = MemoryContextSwitchTo(receiver->scratch);
	MinimalTuple  row = ExecCopySlotMinimalTuple(slot);

	MemoryContextSwitchTo(outer);
	receiver->waiting[receiver->count++] = row;
	receiver->bytes += row->t_len;
	if (receiver->count == WAITING_MAX || receiver->bytes >= WAITING_BYTES)
		flush_waiting(receiver);
	return true;
}

static void
receiver_shutdown(DestReceiver *self)
{
	flush_waiting((JsonReceiver *) self);
}

static void
receiver_destroy(DestReceiver *self)
{
	JsonReceiver *receiver = (JsonReceiver *) self;

	ExecDropSingleTupleTableSlot(receiver->slot);
	/* with itself */
	MemoryContextDelete(receiver->context);
}

static JsonReceiver *
make_receiver(Tuplestorestate *rows)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service query", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	JsonReceiver *receiver = palloc0(sizeof(JsonReceiver));

	receiver->pub = (DestReceiver){
		.receiveSlot = receive_row,
		.rStartup = receiver_startup,
		.rShutdown = receiver_shutdown,
		.rDestroy = receiver_destroy,
		.mydest = DestTuplestore,
	};
	receiver->rows = rows;
	receiver->columns = cdr_backfill_columns();
	receiver->context = context;
	receiver->scratch = AllocSetContextCreate(context, "cdr_service rows",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(outer);
	return receiver;
}

/*
 * It only reads: what it changed would be committed before its rows are recorded,
 * and lost with them if that fails.
 */
static void
check_query(SPIPlanPtr plan)
{
	List			 *sources = SPI_plan_get_plan_sources(plan);
	CachedPlanSource *source =
		list_length(sources) == 1 ? linitial(sources) : NULL;
	const Query *query = source != NULL && list_length(source->query_list) == 1
							 ? linitial_node(Query, source->query_list)
							 : NULL;

	if (query == NULL || query->commandType != CMD_SELECT ||
		query->hasModifyingCTE || source->resultDesc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query is not one SELECT that only reads"),
				 errdetail("What it changes would be committed, and its rows "
						   "lost, if they cannot be recorded.")));
}

int64
cdr_backfill_query(const char *text, Tuplestorestate *rows)
{
	SPIPlanPtr		  plan = SPI_prepare(text, 0, NULL);
	SPIExecuteOptions options = {0};
	JsonReceiver	 *receiver;
	int64			  total;
	int				  result;

	if (plan == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("query cannot be prepared: %s",
							   SPI_result_code_string(SPI_result))));
	check_query(plan);
	receiver = make_receiver(rows);
	options.dest = &receiver->pub;
	result = SPI_execute_plan_extended(plan, &options);
	if (result < 0)
		elog(ERROR, "query failed: %s", SPI_result_code_string(result));
	total = receiver->done;
	options.dest->rDestroy(options.dest);
	SPI_freeplan(plan);
	return total;
}
