/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  SQL: rules of retention, the plan, and the run.
 *
 * A run takes a table after the other, and of each so many rows at a time.  Each of
 * these steps is a transaction, which locks the holds and looks at them anew: so a
 * hold waits for one step at most.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/progress.h"
#include "base/guc.h"
#include "retention/access.h"
#include "retention/act.h"
#include "retention/nightly.h"

#define ROWS_MAX 1000000

/* A table of which rows may have expired. */
typedef struct RetiredTable
{
	char *kind;
	char *name;
	Oid	  relation;
	bool  is_whole; /* a partition that has expired as a whole */
} RetiredTable;

/* A run, in a context that outlives its transactions. */
typedef struct RetentionRun
{
	TimestampTz	  at;
	int			  max_rows;
	RetiredTable *relations;
	int			  nrelations;
	Datum		  login;
	Datum		  role;
	bool		  detach;
	int64		  retired;
	CdrProgress	  progress;
} RetentionRun;

PG_FUNCTION_INFO_V1(cdr_set_retention);

/* cdr_set_retention(tenant_id, kind, keep, purpose, reason) */
Datum
cdr_set_retention(PG_FUNCTION_ARGS)
{
	return cdr_act(fcinfo, 4, "cdr_put_retention");
}

PG_FUNCTION_INFO_V1(cdr_end_retention);

/* cdr_end_retention(tenant_id, kind, reason) */
Datum
cdr_end_retention(PG_FUNCTION_ARGS)
{
	return cdr_act(fcinfo, 2, "cdr_take_retention");
}

PG_FUNCTION_INFO_V1(cdr_note_detached);

/* cdr_note_detached(relation, reason) */
Datum
cdr_note_detached(PG_FUNCTION_ARGS)
{
	return cdr_act(fcinfo, 1, "cdr_put_detached");
}

/* What would go of the record of who read what, if anything has expired. */
static void
return_access(ReturnSetInfo *info, TimestampTz at)
{
	Datum		   values[8] = {CStringGetTextDatum("access_log"), 0, 0,
								CStringGetTextDatum("delete")};
	bool		   nulls[8] = {false, true, true};
	CdrAccessCount count;

	if (!cdr_access_count(at, &count) || count.rows + count.held == 0)
		return;
	values[4] = Int64GetDatum(count.rows);
	values[5] = Int64GetDatum(count.bytes);
	values[6] = Int64GetDatum(count.held);
	nulls[7] = count.held == 0;
	if (!nulls[7])
		values[7] = CStringGetTextDatum("held");
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(cdr_retention_plan);

/* cdr_retention_plan(at) */
Datum
cdr_retention_plan(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			   type = TIMESTAMPTZOID;
	Datum	  at = PG_ARGISNULL(0) ? TimestampTzGetDatum(GetCurrentTimestamp())
								   : PG_GETARG_DATUM(0);
	CdrTables tables;
	CdrRights rights;

	InitMaterializedSRF(fcinfo, 0);
	cdr_act_open(&tables, &rights);
	if (SPI_execute_with_args(psprintf("SELECT * FROM %s.cdr_plan_retention"
									   "($1)",
									   tables.quoted),
							  1, &type, &at, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the plan of retention fails");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(info->setResult, SPI_tuptable->vals[i]);
	cdr_act_close(&rights);
	return_access(info, DatumGetTimestampTz(at));
	return (Datum) 0;
}

/* Finds what may have expired; in the context of the run. */
static void
find_retired_tables(RetentionRun *run, MemoryContext context)
{
	Oid			  type = TIMESTAMPTZOID;
	Datum		  at = TimestampTzGetDatum(run->at);
	CdrTables	  tables;
	CdrRights	  rights;
	MemoryContext outer;

	cdr_act_open(&tables, &rights);
	if (SPI_execute_with_args(psprintf("SELECT kind, relation::text,"
									   " relation::oid, is_whole"
									   " FROM %s.cdr_retention_tables($1)",
									   tables.quoted),
							  1, &type, &at, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the tables of retention are not found");
	outer = MemoryContextSwitchTo(context);
	run->nrelations = (int) SPI_processed;
	run->relations = palloc0((run->nrelations + 1) * sizeof(RetiredTable));
	for (int i = 0; i < run->nrelations; i++)
	{
		HeapTuple	  row = SPI_tuptable->vals[i];
		TupleDesc	  columns = SPI_tuptable->tupdesc;
		RetiredTable *table = &run->relations[i];
		bool		  isnull;

		table->kind = SPI_getvalue(row, columns, 1);
		table->name = SPI_getvalue(row, columns, 2);
		table->relation =
			DatumGetObjectId(SPI_getbinval(row, columns, 3, &isnull));
		table->is_whole =
			DatumGetBool(SPI_getbinval(row, columns, 4, &isnull));
	}
	MemoryContextSwitchTo(outer);
	cdr_act_close(&rights);
}

/* As the owner of calls, in a transaction; -1: not now, -2: not as a whole. */
static int64
retire_partition(const RetentionRun *run, const RetiredTable *table)
{
	Oid	  types[5] = {REGCLASSOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, BOOLOID};
	Datum values[5] = {ObjectIdGetDatum(table->relation),
					   TimestampTzGetDatum(run->at), run->login, run->role,
					   BoolGetDatum(run->detach)};
	CdrTables tables;
	CdrRights rights;
	bool	  isnull;
	int64	  rows;

	cdr_act_open(&tables, &rights);
	if (SPI_execute_with_args(
			psprintf("SELECT %s.cdr_retire_partition($1, $2, $3, $4, $5)",
					 tables.quoted),
			5, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "a partition is not retired");
	rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
	cdr_act_close(&rights);
	return isnull ? -2 : rows;
}

/* The same for some rows: from a place on, which it moves; false: that was all. */
static bool
retire_rows(const RetentionRun *run, const RetiredTable *table,
			ItemPointer place, int64 *rows)
{
	Oid		  types[7] = {TEXTOID, REGCLASSOID, TIMESTAMPTZOID, INT4OID,
						  TIDOID,  TEXTOID,		TEXTOID};
	Datum	  values[7] = {CStringGetTextDatum(table->kind),
						   ObjectIdGetDatum(table->relation),
						   TimestampTzGetDatum(run->at),
						   Int32GetDatum(run->max_rows),
						   PointerGetDatum(place),
						   run->login,
						   run->role};
	CdrTables tables;
	CdrRights rights;
	Datum	  next;
	bool	  is_last;
	bool	  isnull;

	cdr_act_open(&tables, &rights);
	if (SPI_execute_with_args(psprintf("SELECT * FROM %s.cdr_retire_rows"
									   "($1, $2, $3, $4, $5, $6, $7)",
									   tables.quoted),
							  7, types, values, NULL, false,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "rows are not retired");
	next = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						 &is_last);
	if (!is_last)
		*place = *(ItemPointer) DatumGetPointer(next);
	*rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 2, &isnull));
	cdr_act_close(&rights);
	return !is_last;
}

/* Commits what a step has done. */
static void
end_step(RetentionRun *run, const RetiredTable *table, int64 rows,
		 const char *action)
{
	if (rows > 0)
		ereport(NOTICE, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
						 errmsg_plural("%s " INT64_FORMAT " row of %s",
									   "%s " INT64_FORMAT " rows of %s",
									   (unsigned long) rows, action, rows,
									   table->name)));
	run->retired += rows;
	PopActiveSnapshot();
	SPI_commit();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Pages of a table; -1: it is gone, or has none. */
static int64
count_pages(Oid id)
{
	Relation rel = try_relation_open(id, AccessShareLock);
	int64	 pages = -1;

	if (rel == NULL)
		return -1;
	if (rel->rd_rel->relkind == RELKIND_RELATION)
		pages = RelationGetNumberOfBlocks(rel);
	relation_close(rel, AccessShareLock);
	return pages;
}

static void
retire_table(RetentionRun *run, const RetiredTable *table)
{
	ItemPointerData place;
	bool			more = true;

	run->progress.relation = table->relation;
	if (table->is_whole)
	{
		int64 rows;

		cdr_progress_phase(&run->progress, CDR_PHASE_DROPPING, -1);
		rows = retire_partition(run, table);
		end_step(run, table, Max(rows, 0),
				 run->detach ? "detached" : "dropped");
		if (rows != -2)
			return;
	}
	ItemPointerSet(&place, 0, 0);
	cdr_progress_phase(&run->progress, CDR_PHASE_DELETING,
					   count_pages(table->relation));
	while (more)
	{
		int64 rows;

		CHECK_FOR_INTERRUPTS();
		more = retire_rows(run, table, &place, &rows);
		end_step(run, table, rows, "deleted");
		run->progress.done = ItemPointerGetBlockNumberNoCheck(&place);
		cdr_progress_show(&run->progress);
	}
}

static void
retire_access(RetentionRun *run)
{
	RetiredTable table = {.name = "cdr_access_log"};
	int64		 rows;

	run->progress.relation = InvalidOid;
	cdr_progress_phase(&run->progress, CDR_PHASE_DELETING, -1);
	do
	{
		CHECK_FOR_INTERRUPTS();
		rows =
			cdr_access_retire(run->at, run->max_rows, run->login, run->role);
		end_step(run, &table, rows, "deleted");
	} while (rows >= run->max_rows);
}

PG_FUNCTION_INFO_V1(cdr_apply_retention);

/* cdr_apply_retention(max_rows, retired, detach) */
Datum
cdr_apply_retention(PG_FUNCTION_ARGS)
{
	MemoryContext context = AllocSetContextCreate(
		PortalContext, "cdr_service retention", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer;
	RetentionRun  run = {0};
	TupleDesc	  columns;
	bool		  isnull = false;
	Datum		  retired;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
						errmsg("cdr_apply_retention() cannot be called in a "
							   "transaction block or a function")));
	run.at = GetCurrentTimestamp();
	run.max_rows = PG_ARGISNULL(0) ? 10000 : PG_GETARG_INT32(0);
	run.detach = PG_ARGISNULL(2) ? cdr_retention_detach : PG_GETARG_BOOL(2);
	if (run.max_rows < 1 || run.max_rows > ROWS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must be between 1 and %d", ROWS_MAX)));
	outer = MemoryContextSwitchTo(context);
	run.login =
		CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	run.role = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	MemoryContextSwitchTo(outer);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	cdr_progress_begin(&run.progress, CDR_WORK_RETENTION, -1);
	cdr_progress_phase(&run.progress, CDR_PHASE_FINDING, -1);
	find_retired_tables(&run, context);
	for (int i = 0; i < run.nrelations; i++)
		retire_table(&run, &run.relations[i]);
	retire_access(&run);
	cdr_nightly_succeed();
	cdr_progress_end();
	PopActiveSnapshot();
	SPI_finish();
	MemoryContextDelete(context);

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "cdr_apply_retention() is not declared as it is");
	retired = Int64GetDatum(run.retired);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(columns), &retired, &isnull)));
}
