/*-------------------------------------------------------------------------
 *
 * read.c
 *	  SQL: reads calls and events, and has it recorded who did.
 *
 * Callers need no right on the tables: the query runs as the role that writes them,
 * and has nothing of the caller's in it but values.  Its rows are gathered
 * first, for the record says how many there are; the caller gets them once that
 * is durable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "access/note.h"
#include "store/anchors.h"
#include "store/cursor.h"
#include "store/writer_query.h"

/* Bytes of what is asked for; more is no call's. */
#define VALUE_MAX 1000

/* Of a result, fetched at a time. */
#define ROWS_AT_ONCE 1000

/* What was asked for, as it becomes a condition and a part of the record. */
typedef struct Asked
{
	StringInfoData conditions;
	StringInfoData subject;
	int			   count;
} Asked;

static const char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL
								: text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/* Adds a condition: each %s of it is the value. */
static void
add_condition(Asked *asked, const char *name, const char *condition,
			  const char *value)
{
	const char *literal;

	if (value == NULL)
		return;
	if (strlen(value) > VALUE_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"%s\" is longer than %d bytes", name,
							   VALUE_MAX)));
	literal = quote_literal_cstr(value);
	appendStringInfoString(&asked->conditions,
						   asked->count > 0 ? " AND (" : " WHERE (");
	for (const char *s = condition; *s != '\0'; s++)
	{
		if (*s == '?')
			appendStringInfoString(&asked->conditions, literal);
		else
			appendStringInfoChar(&asked->conditions, *s);
	}
	appendStringInfoChar(&asked->conditions, ')');
	appendStringInfoString(&asked->subject, asked->count > 0 ? ", " : "");
	escape_json(&asked->subject, name);
	appendStringInfoString(&asked->subject, ": ");
	escape_json(&asked->subject, value);
	asked->count++;
}

/* A time for SQL and for the record; infinite ones, too. */
static const char *
time_as_text(FunctionCallInfo fcinfo, int number)
{
	TimestampTz time;
	char	   *text;

	if (PG_ARGISNULL(number))
		return NULL;
	time = PG_GETARG_TIMESTAMPTZ(number);
	if (TIMESTAMP_NOT_FINITE(time))
		return TIMESTAMP_IS_NOBEGIN(time) ? "-infinity" : "infinity";
	text = palloc(MAXDATELEN + 1);
	return JsonEncodeDateTime(text, TimestampTzGetDatum(time), TIMESTAMPTZOID,
							  NULL);
}

/* The columns of the result, whatever types those of calls were given. */
static const char *
columns_of(TupleDesc result)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < result->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(result, i);

		appendStringInfo(&columns, "%sc.%s::%s", i > 0 ? ", " : "",
						 quote_identifier(NameStr(column->attname)),
						 format_type_be_qualified(column->atttypid));
	}
	return columns.data;
}

static void
begin_asking(Asked *asked, const CdrAccess *access)
{
	cdr_access_check(access->reason);
	memset(asked, 0, sizeof(*asked));
	initStringInfo(&asked->conditions);
	initStringInfo(&asked->subject);
	appendStringInfoChar(&asked->subject, '{');
}

static void
end_asking(Asked *asked, CdrAccess *access, const char *hint)
{
	appendStringInfoChar(&asked->subject, '}');
	if (asked->count == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("it is not said what is to be read"),
						errhint("%s", hint)));
	access->subject = asked->subject.data;
}

/* Puts the rows of a table into the result; the %s in its name is the schema. */
static int64
gather_rows(ReturnSetInfo *info, const Asked *asked, const char *table,
			const char *order)
{
	CdrTables tables;
	CdrRights rights;
	CdrCursor rows;
	HeapTuple row;
	int64	  count = 0;

	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	cdr_cursor_open(&rows,
					psprintf("SELECT %s FROM %s AS c%s ORDER BY %s",
							 columns_of(info->setDesc),
							 psprintf(table, tables.quoted),
							 asked->conditions.data, order),
					NULL, CDR_AS_CALLER, ROWS_AT_ONCE);
	while ((row = cdr_cursor_next(&rows)) != NULL)
	{
		tuplestore_puttuple(info->setResult, row);
		count++;
	}
	cdr_cursor_close(&rows);
	cdr_writer_query_close(&rights);
	return count;
}

PG_FUNCTION_INFO_V1(cdr_read_calls);

/* cdr_read_calls(reason, call_id, from_time, to_time, number, tenant) */
Datum
cdr_read_calls(PG_FUNCTION_ARGS)
{
	CdrAccess access = {.action = "cdr_read_calls",
						.reason = text_argument(fcinfo, 0),
						.tenant = text_argument(fcinfo, 5),
						.role = GetUserId()};
	Asked	  asked;

	begin_asking(&asked, &access);
	/* nothing would be found, as if there were none */
	if (!PG_ARGISNULL(2) && !PG_ARGISNULL(3) &&
		PG_GETARG_TIMESTAMPTZ(2) >= PG_GETARG_TIMESTAMPTZ(3))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("from_time must be before to_time")));
	add_condition(&asked, "call_id", "c.call_id = ?",
				  text_argument(fcinfo, 1));
	add_condition(&asked, "from_time", "c.attempt_time >= ?::timestamptz",
				  time_as_text(fcinfo, 2));
	add_condition(&asked, "to_time", "c.attempt_time < ?::timestamptz",
				  time_as_text(fcinfo, 3));
	add_condition(&asked, "number",
				  "c.caller_number = ? OR c.callee_number = ?",
				  text_argument(fcinfo, 4));
	add_condition(&asked, "tenant", "c.tenant_id = ?", access.tenant);
	end_asking(&asked, &access,
			   "Give a call_id, a time, a number or a tenant.");

	InitMaterializedSRF(fcinfo, 0);
	access.rows = gather_rows((ReturnSetInfo *) fcinfo->resultinfo, &asked,
							  "ONLY %s.calls",
							  "c.attempt_time, c.call_id COLLATE \"C\"");
	cdr_access_note(&access);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(cdr_read_events);

/* cdr_read_events(reason, call_id) */
Datum
cdr_read_events(PG_FUNCTION_ARGS)
{
	CdrAccess access = {.action = "cdr_read_events",
						.reason = text_argument(fcinfo, 0),
						.role = GetUserId()};
	Asked	  asked;

	begin_asking(&asked, &access);
	add_condition(&asked, "call_id", "c.call_id = ?",
				  text_argument(fcinfo, 1));
	end_asking(&asked, &access, "Give a call_id.");

	InitMaterializedSRF(fcinfo, 0);
	access.rows = gather_rows((ReturnSetInfo *) fcinfo->resultinfo, &asked,
							  "%s.call_events", "c.event_time, c.event_id");
	cdr_access_note(&access);
	return (Datum) 0;
}

/* The file, in the memory of the caller; what it needs, of whom it says it is. */
static Datum
make_file(CdrAccess *access, FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			  types[5] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		  values[5];
	char		  nulls[6] = "     ";
	CdrTables	  tables;
	CdrRights	  rights;
	Datum		  file;
	bool		  isnull;

	values[0] = fcinfo->args[0].value;
	values[1] =
		CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	values[2] = CStringGetTextDatum(GetUserNameFromId(access->role, false));
	values[3] = CStringGetTextDatum(access->reason);
	values[4] = fcinfo->args[2].value;
	nulls[4] = PG_ARGISNULL(2) ? 'n' : ' ';
	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	cdr_require_evidence(&tables);
	if (SPI_execute_with_args(
			psprintf("SELECT file, events FROM %s.cdr_evidence_file($1, $2, "
					 "$3, $4, $5)",
					 tables.quoted),
			5, types, values, nulls, true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "cdr_evidence_file failed");
	access->rows = DatumGetInt64(SPI_getbinval(
		SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	file = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						 &isnull);
	context = MemoryContextSwitchTo(context);
	file = PointerGetDatum(PG_DETOAST_DATUM_COPY(file));
	MemoryContextSwitchTo(context);
	cdr_writer_query_close(&rights);
	return file;
}

PG_FUNCTION_INFO_V1(cdr_evidence_of_call);

/* cdr_evidence(call_id, reason, checkpoint) */
Datum
cdr_evidence_of_call(PG_FUNCTION_ARGS)
{
	CdrAccess access = {.action = "cdr_evidence",
						.reason = text_argument(fcinfo, 1),
						.role = GetUserId()};
	Asked	  asked;
	Datum	  file;

	begin_asking(&asked, &access);
	add_condition(&asked, "call_id", "c.call_id = ?",
				  text_argument(fcinfo, 0));
	end_asking(&asked, &access, "Give a call_id.");

	file = make_file(&access, fcinfo);
	cdr_access_note(&access);
	PG_RETURN_DATUM(file);
}
