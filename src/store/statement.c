/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  Prepared statements over a batch of rows.
 *
 * A statement reads its rows from a function, cdr_rows(), which hands the
 * executor the tuple store that we filled: it scans that where it lies.  (As
 * parameters, all fields of a column would be copied into an array, and out of
 * it again by unnest().  A named relation, as triggers have it for transition
 * tables, is nothing that a distributed PostgreSQL could plan.)
 *
 * Anybody may call the function, because it is called as whoever writes the
 * tables.  So it gives rows only to who knows the secret of the moment, which is
 * a random parameter of the statement that is running; and only once.
 *
 * Memory.  Plans and row descriptions live as long as the process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/message.h"
#include "store/statement.h"

/* Kilobytes of rows that are held in memory; beyond, a file is used. */
#define ROWS_KB_MAX (64 * 1024)

/* The schema that the plans are prepared for. */
static char prepared_schema[NAMEDATALEN * 2 + 3];

/* The rows of the statement that is running, for cdr_rows(). */
static CdrRows *offered = NULL;

/*
 * A trigger may call a function of ours while a plan of ours runs.  Such a plan
 * is not freed, but left behind: that is rare (a schema was renamed in the
 * trigger, a rule made).
 */
static void
forget_statement(CdrStatement *statement)
{
	if (statement->plan != NULL && statement->running == 0)
		SPI_freeplan(statement->plan);
	statement->plan = NULL;
}

void
cdr_statements_forget(CdrStatement *const *const *sets, int nsets)
{
	for (int i = 0; i < nsets; i++)
	{
		for (CdrStatement *const *s = sets[i]; *s != NULL; s++)
			forget_statement(*s);
	}
}

/* What the rows of a statement look like; made once. */
static TupleDesc
describe_rows(CdrStatement *statement)
{
	MemoryContext outer;
	TupleDesc	  columns;

	if (statement->rows != NULL)
		return statement->rows;
	outer = MemoryContextSwitchTo(TopMemoryContext);
	columns = CreateTemplateTupleDesc(statement->ncolumns);
	for (int i = 0; i < statement->ncolumns; i++)
	{
		char name[NAMEDATALEN]; /* a column without one counts as dropped */

		snprintf(name, sizeof(name), "c%d", i + 1);
		TupleDescInitEntry(columns, (AttrNumber) (i + 1), name,
						   statement->types[i], -1, 0);
	}
	MemoryContextSwitchTo(outer);
	/* last: an error on the way leaves nothing half made */
	statement->rows = columns;
	return columns;
}

/* The relation "given", for SQL text. */
static const char *
rows_in_sql(CdrStatement *statement)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "%s.cdr_rows($1) AS given(", prepared_schema);
	for (int i = 0; i < statement->ncolumns; i++)
		appendStringInfo(&sql, "%sc%d %s", i > 0 ? ", " : "", i + 1,
						 format_type_be(statement->types[i]));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

void
cdr_statements_open(CdrStatement *const *const *sets, int nsets,
					const char *schema)
{
	if (strcmp(prepared_schema, schema) != 0)
	{
		cdr_statements_forget(sets, nsets);
		strlcpy(prepared_schema, schema, sizeof(prepared_schema));
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
cdr_statements_close(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

static void
prepare_statement(CdrStatement *statement)
{
	static Oid of_lookup[] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	char	  *sql;

	/* what the rows hold does not matter to other plans: plan once */
	if (statement->has_rows)
	{
		sql =
			psprintf(statement->sql, prepared_schema, rows_in_sql(statement));
		statement->plan = SPI_prepare_cursor(
			sql, statement->is_lookup ? lengthof(of_lookup) : 1, of_lookup,
			statement->is_lookup ? CURSOR_OPT_CUSTOM_PLAN
								 : CURSOR_OPT_GENERIC_PLAN);
	}
	else
	{
		sql = psprintf(statement->sql, prepared_schema);
		statement->plan =
			SPI_prepare_cursor(sql, statement->ncolumns, statement->types,
							   CURSOR_OPT_GENERIC_PLAN);
	}
	if (statement->plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(statement->plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
}

/* Runs a statement, over rows if there are any. */
static void
run_statement(CdrStatement *statement, CdrRows *rows, Datum *parameters,
			  const char *nulls, int expected)
{
	MemoryContext context = CurrentMemoryContext;
	CdrRows		 *outer = offered;
	int			  result;

	if (statement->plan == NULL)
		prepare_statement(statement);
	statement->running++;
	offered = rows;
	PG_TRY();
	{
		result =
			SPI_execute_plan(statement->plan, parameters, nulls, false, 0);
	}
	PG_FINALLY();
	{
		offered = outer;
		statement->running--;
	}
	PG_END_TRY();
	/* SPI leaves us in its own context, which lives as long as the session */
	MemoryContextSwitchTo(context);
	if (result == SPI_OK_REWRITTEN)
	{
		/* nothing is left of it that an end of the rule would invalidate */
		forget_statement(statement);
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a rule replaces what cdr_service writes"),
						errhint("Drop the rule.")));
	}
	if (result != expected)
		elog(ERROR, "SPI_execute_plan failed: %s",
			 SPI_result_code_string(result));
}

void
cdr_statement_execute(CdrStatement *statement, Datum *parameters,
					  const char *nulls, int expected)
{
	run_statement(statement, NULL, parameters, nulls, expected);
}

CdrRows *
cdr_rows_begin(CdrStatement *statement)
{
	CdrRows *rows = palloc0(sizeof(CdrRows));

	(void) describe_rows(statement);
	rows->statement = statement;
	rows->store = tuplestore_begin_heap(true, false, ROWS_KB_MAX);
	return rows;
}

void
cdr_row_put(CdrRows *rows, int column, Datum value, bool isnull)
{
	rows->values[column] = value;
	rows->nulls[column] = isnull;
}

void
cdr_row_put_text(CdrRows *rows, int column, const char *text)
{
	cdr_row_put(rows, column,
				text ? PointerGetDatum(cstring_to_text(text)) : 0,
				text == NULL);
}

void
cdr_row_put_bytes(CdrRows *rows, int column, const char *bytes, size_t length)
{
	cdr_row_put(
		rows, column,
		bytes ? PointerGetDatum(cstring_to_text_with_len(bytes, (int) length))
			  : 0,
		bytes == NULL);
}

void
cdr_row_put_time(CdrRows *rows, int column, TimestampTz time)
{
	cdr_row_put(rows, column, TimestampTzGetDatum(time), time == CDR_NO_TIME);
}

void
cdr_row_put_id(CdrRows *rows, int column, const pg_uuid_t *id)
{
	cdr_row_put(rows, column, UUIDPGetDatum(id), false);
}

void
cdr_row_end(CdrRows *rows)
{
	tuplestore_putvalues(rows->store, rows->statement->rows, rows->values,
						 rows->nulls);
}

/* Runs the statement over rows, and frees them. */
static void
run_over_rows(CdrRows *rows, TimestampTz from, TimestampTz until, int expected)
{
	Datum parameters[3];

	if (!pg_strong_random(&rows->secret, sizeof(rows->secret)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate a random number")));
	parameters[0] = Int64GetDatum(rows->secret);
	parameters[1] = TimestampTzGetDatum(from);
	parameters[2] = TimestampTzGetDatum(until);
	run_statement(rows->statement, rows, parameters, NULL, expected);
	/* a plan may find that it needs no rows */
	if (rows->store != NULL)
		tuplestore_end(rows->store);
	pfree(rows);
}

void
cdr_rows_execute(CdrRows *rows, int expected)
{
	run_over_rows(rows, 0, 0, expected);
}

static void
switch_off(const char *setting)
{
	(void) set_config_option(setting, "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Runs a statement over rows, each of which is found through an index. */
static void
run_by_key(CdrRows *rows, TimestampTz from, TimestampTz until, int expected)
{
	int level = NewGUCNestLevel();

	switch_off("enable_bitmapscan");
	switch_off("enable_hashjoin");
	switch_off("enable_mergejoin");
	switch_off("enable_seqscan");
	switch_off("jit");
	run_over_rows(rows, from, until, expected);
	AtEOXact_GUC(false, level);
}

void
cdr_rows_look_up(CdrRows *rows, TimestampTz from, TimestampTz until)
{
	run_by_key(rows, from, until, SPI_OK_SELECT);
}

void
cdr_rows_change(CdrRows *rows, int expected)
{
	run_by_key(rows, 0, 0, expected);
}

PG_FUNCTION_INFO_V1(cdr_rows);

/* The rows of the statement that is running; see the head of this file. */
Datum
cdr_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext  outer;

	if (offered == NULL || offered->secret != PG_GETARG_INT64(0))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cdr_rows() is for statements of cdr_service "
							   "only")));
	if (offered->store == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a rule repeats what cdr_service writes"),
						errhint("Drop the rule.")));
	if (info == NULL || !IsA(info, ReturnSetInfo) ||
		(info->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("materialize mode required, but it is not "
							   "allowed in this context")));
	outer = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	info->setDesc = CreateTupleDescCopy(offered->statement->rows);
	MemoryContextSwitchTo(outer);
	info->returnMode = SFRM_Materialize;
	/* the executor scans it, and ends it */
	info->setResult = offered->store;
	offered->store = NULL;
	return (Datum) 0;
}

Datum
cdr_result(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}
