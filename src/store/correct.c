/*-------------------------------------------------------------------------
 *
 * correct.c
 *	  SQL: what people say of a call, above what its events say.
 *
 * A correction is an event like any other, so that it lasts, can be taken back,
 * and does not depend on when it comes.  It counts by its time: so each is later
 * than those that its call has, whatever the clock of this server says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "event/json_text.h"
#include "store/made_event.h"
#include "store/stored_calls.h"
#include "store/writer.h"

#define READ_CALL CDR_READ_CALLS " WHERE c.call_id = $1"
#define READ_LOG  "SELECT FROM %s.call_events AS e WHERE e.call_id = $1 LIMIT 1"

/* Digits that an error shows of a number, of which JSON may have any number. */
#define SHOWN_MAX 40

/* ------------------------------------------------------------------------
 * The values of a correction
 * ------------------------------------------------------------------------
 */

/* The names of all columns that can be corrected, for a hint. */
static const char *
correctable_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 cdr_correctable[i].name);
	return names.data;
}

/* The column of a name; ERROR if it is none that can be corrected. */
static int
require_column(const char *name)
{
	int column = cdr_correctable_find(name);

	if (column < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" cannot be corrected", name),
				 errdetail("What follows from other columns follows from "
						   "their corrections, too."),
				 errhint("These can be corrected: %s.", correctable_names())));
	return column;
}

static void
refuse_type(int column)
{
	static const char *const wanted[] = {
		[CDR_CORRECT_AS_TIME] = "a string that is a time",
		[CDR_CORRECT_AS_TEXT] = "a string",
		[CDR_CORRECT_AS_NUMBER] = "a number",
	};

	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("correction of %s must be %s, or null",
						   cdr_correctable[column].name,
						   wanted[cdr_correctable[column].type])));
}

static void
tell_column(void *column)
{
	errcontext("correction of %s", (const char *) column);
}

/* As SQL reads it: a time without an offset is one of the session's zone. */
static TimestampTz
time_of_text(int column, const char *text)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = tell_column,
		.arg = unconstify(char *, cdr_correctable[column].name)};
	TimestampTz time;

	error_context_stack = &context;
	time = DatumGetTimestampTz(
		DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
							ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	error_context_stack = context.previous;
	if (!cdr_made_can_say(time))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("correction of %s is out of range",
					cdr_correctable[column].name),
			 errdetail("A call has times from the year 1 to the year 9999, "
					   "but not 1970-01-01 00:00:00 UTC."),
			 errhint("null says that there was none.")));
	return time;
}

static const char *
text_not_empty(int column, const char *text)
{
	if (text[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("correction of %s must not be empty",
							   cdr_correctable[column].name),
						errhint("null says that there was none.")));
	return text;
}

static int64
number_in_range(int column, Numeric value)
{
	char *text = DatumGetCString(
		DirectFunctionCall1(numeric_out, NumericGetDatum(value)));
	bool  is_sip_status = column == CDR_CORRECT_SIP_STATUS;
	int64 number;

	if (cdr_json_integer(text, &number) &&
		(is_sip_status
			 ? number >= CDR_SIP_STATUS_FIRST && number <= CDR_SIP_STATUS_LAST
			 : number != 0))
		return number;
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("correction of %s is out of range: %.*s%s",
						   cdr_correctable[column].name, SHOWN_MAX, text,
						   strlen(text) > SHOWN_MAX ? "..." : ""),
					is_sip_status
						? errdetail("A SIP status that ends a call is an "
									"integer from %d to %d.",
									CDR_SIP_STATUS_FIRST, CDR_SIP_STATUS_LAST)
						: errdetail("A contact is an integer of 64 bits "
									"other than 0."),
					errhint("null says that there was none.")));
	return 0; /* not reached */
}

/* Appends what a correction says of a column. */
static void
append_value(StringInfo body, int column, const JsonbValue *value)
{
	CdrCorrectableType type = cdr_correctable[column].type;
	CdrSaid			   said = {.kind = CDR_SAID_VALUE};
	char			  *text;

	if (value->type == jbvNull)
	{
		appendStringInfoString(body, "null");
		return;
	}
	if (value->type !=
		(type == CDR_CORRECT_AS_NUMBER ? jbvNumeric : jbvString))
		refuse_type(column);
	if (type == CDR_CORRECT_AS_NUMBER)
		said.number = number_in_range(column, value->val.numeric);
	else
	{
		text = pnstrdup(value->val.string.val, value->val.string.len);
		if (type == CDR_CORRECT_AS_TIME)
			said.time = time_of_text(column, text);
		else
			said.text = text_not_empty(column, text);
	}
	cdr_said_append(body, type, &said);
}

/* Appends a correction, which any JSON may be. */
static void
append_correction(StringInfo body, text *correction)
{
	Jsonb			  *jsonb = DatumGetJsonbP(DirectFunctionCall1(
					jsonb_in, CStringGetDatum(text_to_cstring(correction))));
	JsonbIterator	  *iterator;
	JsonbIteratorToken token;
	JsonbValue		   value;
	const char		  *comma = "";
	int				   column = 0;

	if (!JB_ROOT_IS_OBJECT(jsonb) || JB_ROOT_COUNT(jsonb) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("correction must be an object that names a column"),
				 errhint("An example is {\"answer_time\": null}. These can be "
						 "corrected: %s.",
						 correctable_names())));
	appendStringInfoString(body, ",\"correction\":{");
	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			column = require_column(
				pnstrdup(value.val.string.val, value.val.string.len));
			appendStringInfo(body, "%s\"%s\":", comma,
							 cdr_correctable[column].name);
			comma = ",";
		}
		else if (token == WJB_VALUE)
			append_value(body, column, &value);
	}
	appendStringInfoChar(body, '}');
}

/* ------------------------------------------------------------------------
 * The functions
 * ------------------------------------------------------------------------
 */

static const char *
call_id_argument(FunctionCallInfo fcinfo)
{
	const char *call_id;

	cdr_require_argument(fcinfo, 0, "call_id");
	call_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (call_id[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("call_id must not be empty")));
	return call_id;
}

/* Reads the row of a call, through an open writer; false: there is none. */
static bool
find_call(const CdrTables *tables, const char *call_id, CdrCall *call)
{
	CdrArguments arguments = {
		1, true, {TEXTOID}, {CStringGetTextDatum(call_id)}};
	CdrCursor cursor;
	bool	  found;

	cdr_cursor_open(&cursor, psprintf(READ_CALL, tables->quoted), &arguments,
					CDR_AS_OF_NOW, 1);
	found = cdr_cursor_next(&cursor) != NULL;
	if (found)
		cdr_stored_call(&cursor, call);
	cdr_cursor_close(&cursor);
	return found;
}

/* Has the log events of a call? */
static bool
is_in_log(const CdrTables *tables, const char *call_id)
{
	CdrArguments arguments = {
		1, true, {TEXTOID}, {CStringGetTextDatum(call_id)}};
	CdrCursor cursor;
	bool	  found;

	cdr_cursor_open(&cursor, psprintf(READ_LOG, tables->quoted), &arguments,
					CDR_AS_OF_NOW, 1);
	found = cdr_cursor_next(&cursor) != NULL;
	cdr_cursor_close(&cursor);
	return found;
}

/*
 * The same, but ERROR for a call of which the log has events: what is written now
 * would be a row without them.  Row and events are committed together, so a row
 * that came after the first look is there at the second.
 */
static bool
find_whole_call(const CdrTables *tables, const char *call_id, CdrCall *call)
{
	if (find_call(tables, call_id, call))
		return true;
	if (!is_in_log(tables, call_id))
		return false;
	if (find_call(tables, call_id, call))
		return true;
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
					errmsg("row of call \"%s\" is missing", call_id),
					errdetail("Events of it are in the log."),
					errhint("Run SELECT %s.cdr_rebuild_calls(%s).",
							tables->quoted, quote_literal_cstr(call_id))));
	return false; /* not reached */
}

/* Now, but after all corrections that the call has. */
static TimestampTz
time_of_correction(const CdrCall *call)
{
	TimestampTz time = GetCurrentTimestamp();

	for (int i = 0; call->corrections != NULL && i < CDR_NCORRECTABLE; i++)
	{
		const CdrCorrection *before = &call->corrections->columns[i];

		if (before->said.kind != CDR_SAID_NOTHING)
			time = Max(time, before->time + 1);
	}
	return time;
}

static void
refuse_unknown_call(const char *call_id, bool may_be_early)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("call \"%s\" is not known", call_id),
			 errdetail("No event of it has been recorded."),
			 may_be_early
				 ? errhint("With before_events => true, it is corrected "
						   "before its events come.")
				 : 0));
}

/*
 * Records what the body's middle part says of a call; returns the identity of
 * the event.
 */
static Datum
record_correction(const char *type, const char *call_id, const char *said,
				  const CdrMaker *maker, bool may_be_early, bool early)
{
	pg_uuid_t	  *id = palloc(sizeof(pg_uuid_t));
	StringInfoData body;
	CdrTables	   tables;
	CdrRights	   rights;
	CdrEvent	   event;
	CdrCall		   call;

	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	if (!find_whole_call(&tables, call_id, &call))
	{
		if (!early)
			refuse_unknown_call(call_id, may_be_early);
		cdr_call_init(&call, call_id);
	}
	cdr_made_begin(&body, type, call_id, time_of_correction(&call));
	appendStringInfoString(&body, said);
	cdr_made_end(&body, maker, &event);
	cdr_made_record(&event, 1);
	*id = event.id;
	cdr_writer_close(&rights);
	return UUIDPGetDatum(id);
}

PG_FUNCTION_INFO_V1(cdr_correct_call);

Datum
cdr_correct_call(PG_FUNCTION_ARGS)
{
	const char	  *call_id = call_id_argument(fcinfo);
	bool		   early = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	CdrMaker	   maker;
	StringInfoData said;

	cdr_require_argument(fcinfo, 1, "correction");
	maker = cdr_maker(fcinfo, 2);
	initStringInfo(&said);
	append_correction(&said, PG_GETARG_TEXT_PP(1));
	return record_correction(CDR_CORRECTED_TYPE, call_id, said.data, &maker,
							 true, early);
}

/* Appends the columns that an array of text names. */
static void
append_columns(StringInfo body, ArrayType *columns)
{
	Datum *names;
	bool  *nulls;
	int	   count;

	deconstruct_array(columns, TEXTOID, -1, false, TYPALIGN_INT, &names,
					  &nulls, &count);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns must name a column"),
				 errhint("These can be corrected: %s.", correctable_names())));
	appendStringInfoString(body, ",\"columns\":[");
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("columns must not contain null")));
		appendStringInfo(
			body, "%s\"%s\"", i > 0 ? "," : "",
			cdr_correctable[require_column(TextDatumGetCString(names[i]))]
				.name);
	}
	appendStringInfoChar(body, ']');
}

PG_FUNCTION_INFO_V1(cdr_withdraw_correction);

Datum
cdr_withdraw_correction(PG_FUNCTION_ARGS)
{
	const char	  *call_id = call_id_argument(fcinfo);
	CdrMaker	   maker;
	StringInfoData said;

	cdr_require_argument(fcinfo, 1, "columns");
	maker = cdr_maker(fcinfo, 2);
	initStringInfo(&said);
	append_columns(&said, PG_GETARG_ARRAYTYPE_P(1));
	return record_correction(CDR_WITHDRAWN_TYPE, call_id, said.data, &maker,
							 false, false);
}
