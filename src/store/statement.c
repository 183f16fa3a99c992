/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  Prepared statements over a batch of rows.
 *
 * A statement reads its rows from an ephemeral named relation, as a trigger
 * reads its transition tables: one tuple store, that the executor scans where
 * it lies.  (As parameters, all fields of a column would be copied into an
 * array, and out of it again by unnest().)
 *
 * Memory.  Plans and row descriptions live as long as the process.  The
 * description of a relation is static, so that what SPI knows of it is valid
 * however a session ends; only the store that it points to changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "base/message.h"
#include "store/statement.h"

/* Rows that the planner reckons with. */
#define ROWS_EXPECTED 500

/* Kilobytes of rows that are held in memory; beyond, a file is used. */
#define ROWS_KB_MAX (64 * 1024)

/* The schema that the plans are prepared for. */
static char prepared_schema[NAMEDATALEN * 2 + 3];

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

static void
describe_rows(CdrStatement *statement)
{
	EphemeralNamedRelationMetadata about = &statement->relation.md;
	MemoryContext				   outer;
	TupleDesc					   columns;

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
	about->name = unconstify(char *, statement->rows);
	about->reliddesc = InvalidOid;
	about->enrtype = ENR_NAMED_TUPLESTORE;
	about->enrtuples = ROWS_EXPECTED;
	/* last: it says that all of this is complete */
	about->tupdesc = columns;
}

/* Makes the rows of a statement known to the session. */
static void
register_rows(CdrStatement *statement)
{
	if (statement->rows == NULL)
		return;
	if (statement->relation.md.tupdesc == NULL)
		describe_rows(statement);
	if (SPI_register_relation(&statement->relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed");
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
	for (int i = 0; i < nsets; i++)
	{
		for (CdrStatement *const *s = sets[i]; *s != NULL; s++)
			register_rows(*s);
	}
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
	char *sql = psprintf(statement->sql, prepared_schema);

	/* what the rows hold does not matter to the plan: plan once */
	statement->plan = SPI_prepare_cursor(
		sql, statement->rows ? 0 : statement->ncolumns,
		statement->rows ? NULL : statement->types, CURSOR_OPT_GENERIC_PLAN);
	if (statement->plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(statement->plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
}

void
cdr_statement_execute(CdrStatement *statement, Datum *parameters,
					  const char *nulls, int expected)
{
	MemoryContext context = CurrentMemoryContext;
	int			  result;

	if (statement->plan == NULL)
		prepare_statement(statement);
	statement->running++;
	PG_TRY();
	{
		result =
			SPI_execute_plan(statement->plan, parameters, nulls, false, 0);
	}
	PG_FINALLY();
	{
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

CdrRows *
cdr_rows_begin(CdrStatement *statement)
{
	CdrRows *rows = palloc0(sizeof(CdrRows));

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
	tuplestore_putvalues(rows->store, rows->statement->relation.md.tupdesc,
						 rows->values, rows->nulls);
}

/* Has the statement read these rows, and no others after them. */
static void
use_rows(CdrRows *rows)
{
	rows->statement->relation.reldata = rows->store;
}

static void
free_rows(CdrRows *rows)
{
	rows->statement->relation.reldata = NULL;
	tuplestore_end(rows->store);
	pfree(rows);
}

void
cdr_rows_execute(CdrRows *rows, int expected)
{
	use_rows(rows);
	cdr_statement_execute(rows->statement, NULL, NULL, expected);
	free_rows(rows);
}

void
cdr_rows_query_latest(CdrRows *rows)
{
	CdrStatement *statement = rows->statement;
	MemoryContext context = CurrentMemoryContext;

	use_rows(rows);
	if (statement->plan == NULL)
		prepare_statement(statement);
	statement->running++;
	PG_TRY();
	{
		if (SPI_execute_snapshot(statement->plan, NULL, NULL,
								 GetLatestSnapshot(), InvalidSnapshot, true,
								 false, 0) != SPI_OK_SELECT)
			elog(ERROR, "SPI_execute_snapshot failed");
	}
	PG_FINALLY();
	{
		statement->running--;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	free_rows(rows);
}

Datum
cdr_result(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}
