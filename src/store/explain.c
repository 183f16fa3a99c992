/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  SQL: why an event is what it is.
 *
 * Nothing is written, and tables are read with the rights of the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/result.h"
#include "event/each.h"
#include "event/explain.h"
#include "event/mapping_compile.h"
#include "store/dead_letters.h"
#include "store/event_options.h"
#include "store/given_message.h"
#include "store/log_event.h"
#include "store/mapping_zones.h"
#include "store/reader_query.h"

/* Those of the functions in explain.sql. */
#define EXPLAIN_COLUMNS 5

/* Arguments behind those of the message. */
#define MAPPING_ARGUMENT	CDR_GIVEN_ARGUMENTS
#define DEFINITION_ARGUMENT (CDR_GIVEN_ARGUMENTS + 1)

/* What the mapping is called that somebody only writes down. */
#define UNNAMED "definition"

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------
 */

static void
return_explained(void *state, const CdrExplained *row)
{
	ReturnSetInfo *info = state;
	const char *texts[EXPLAIN_COLUMNS] = {row->part, row->column, row->value,
										  row->source, row->note};
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS] = {false};

	if (row->time != CDR_NO_TIME)
		texts[2] = DatumGetCString(DirectFunctionCall1(
			timestamptz_out, TimestampTzGetDatum(row->time)));
	for (int i = 0; i < EXPLAIN_COLUMNS; i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	CDR_PUT_ROW(info, values, nulls);
}

static void
explain_to(ReturnSetInfo *info, const CdrEvent *event, CdrNotes *notes,
		   bool is_trial)
{
	CdrExplainer explainer = {.take = return_explained, .state = info};

	cdr_explain(event, notes, is_trial, &explainer);
}

/* What a message is to be explained by, and as what. */
typedef struct Explained
{
	ReturnSetInfo  *info;
	CdrEventOptions options;
	bool			is_trial;
	bool			is_json;  /* it is a value of SQL's type json */
	bool			is_whole; /* whatever a mapping says of arrays */
} Explained;

static void
explain_one(const Explained *explained, const CdrMessage *message)
{
	CdrEventOptions options = explained->options;
	CdrNotes		notes;
	CdrEvent		event;

	cdr_explain_begin(&notes, &options);
	if (explained->is_json)
		(void) cdr_event_parse_json(message, &options, &event);
	else
		(void) cdr_event_parse(message, &options, &event);
	explain_to(explained->info, &event, &notes, explained->is_trial);
}

/* Which element of an array the rows behind are about. */
static void
return_element(ReturnSetInfo *info, const CdrEach *each, int number)
{
	const char	*path = each->messages[number].array;
	CdrExplained row = {.part = "message",
						.column = "element",
						.value = psprintf("%d of %d", number + 1, each->count),
						.time = CDR_NO_TIME,
						.source = psprintf("%s/%d", path, number)};

	if (number == 0 && path[0] != '\0')
		row.note = "what stands around the array is kept with it";
	return_explained(info, &row);
}

static void
explain_elements(const Explained *explained, const CdrEach *each)
{
	MemoryContext scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service element", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(scratch);

	for (int i = 0; i < each->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		return_element(explained->info, each, i);
		explain_one(explained, &each->messages[i]);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
}

/* An event, or an array of them, each by itself, as it would be recorded. */
static void
explain_message(const Explained *explained, CdrMessage *message)
{
	CdrEach each = {0};

	if (!explained->is_whole && cdr_each_asked(message, &explained->options))
		(void) cdr_each_split(message, &explained->options, explained->is_json,
							  &each);
	message->refused = each.refused;
	if (each.count > 0)
		explain_elements(explained, &each);
	else
		explain_one(explained, message);
}

/* ------------------------------------------------------------------------
 * A message
 * ------------------------------------------------------------------------
 */

/* How a message is read by a mapping that is in the table, in force or not. */
static const CdrMappingUse *
use_of_mapping(const char *name)
{
	int id = cdr_mappings_newest(name);

	if (id == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no mapping \"%s\"", name),
			 errhint("Name one of cdr_mappings, or give a definition, such "
					 "as what cdr_mapping_preset() returns.")));
	return cdr_mappings_recorded(id);
}

/* How it is read by a definition that nobody has stored. */
static const CdrMappingUse *
use_of_definition(const text *definition)
{
	CdrMappingUse	*use = palloc0(sizeof(CdrMappingUse));
	const CdrReason *reason;

	use->set = cdr_mappings_begin(&cdr_mapping_zones);
	reason = cdr_mappings_add(use->set, UNNAMED, 1, VARDATA_ANY(definition),
							  VARSIZE_ANY_EXHDR(definition));
	if (reason != NULL)
		cdr_throw(reason);
	cdr_mappings_end(use->set);
	use->by = cdr_mappings_find(use->set, UNNAMED, 1);
	return use;
}

/* The mapping that is to be tried alone, if any is. */
static bool
choose_trial(FunctionCallInfo fcinfo, CdrEventOptions *options)
{
	if (!PG_ARGISNULL(MAPPING_ARGUMENT) && !PG_ARGISNULL(DEFINITION_ARGUMENT))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("either a mapping or a definition can be "
							   "tried, not both")));
	if (!PG_ARGISNULL(MAPPING_ARGUMENT))
		options->mappings = use_of_mapping(
			text_to_cstring(PG_GETARG_TEXT_PP(MAPPING_ARGUMENT)));
	else if (!PG_ARGISNULL(DEFINITION_ARGUMENT))
		options->mappings =
			use_of_definition(PG_GETARG_TEXT_PP(DEFINITION_ARGUMENT));
	else
		return false;
	return true;
}

/*
 * Text that is bytes as the type bytea shows them.  No event begins like that in
 * any form.
 */
static void
decode_bytes(CdrMessage *message)
{
	bytea *bytes;

	if (message->body_length < 2 || memcmp(message->body, "\\x", 2) != 0)
		return;
	bytes = DatumGetByteaPP(DirectFunctionCall1(
		byteain,
		CStringGetDatum(pnstrdup(message->body, message->body_length))));
	message->body = VARDATA_ANY(bytes);
	message->body_length = message->body_size = VARSIZE_ANY_EXHDR(bytes);
}

/* The id of an event, pasted as it is, is text: no event looks like that. */
static void
refuse_pasted_id(const CdrMessage *message)
{
	char   text[37];
	size_t length = message->body_length;

	if (length != sizeof(text) - 1)
		return;
	memcpy(text, message->body, length);
	text[length] = '\0';
	for (size_t i = 0; i < length; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23
				? text[i] != '-'
				: !isxdigit((unsigned char) text[i]))
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is the id of an event, and no message", text),
			 errhint("Write cdr_explain_event('%s'::uuid) for an event of the "
					 "log, cdr_explain_dead_letter('%s') for a dead letter.",
					 text, text)));
}

/* A row of a backfill is read by its own mapping, as when it is retried. */
static void
choose_own_mapping(Explained *explained, const CdrMessage *message)
{
	int version;

	if (message->mapping == NULL)
		return;
	explained->is_whole = true;
	version = cdr_mappings_named(message->mapping);
	if (!explained->is_trial && version != 0)
		explained->options.mappings = cdr_mappings_recorded(version);
}

static void
explain_given(FunctionCallInfo fcinfo)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	CdrMessage *message = cdr_given_message(fcinfo);
	Explained	explained = {.info = (ReturnSetInfo *) fcinfo->resultinfo,
							 .options = cdr_event_options_now(),
							 .is_json = type == JSONOID};

	explained.is_trial = choose_trial(fcinfo, &explained.options);
	choose_own_mapping(&explained, message);
	if (type == TEXTOID)
	{
		refuse_pasted_id(message);
		decode_bytes(message);
	}
	explain_message(&explained, message);
}

PG_FUNCTION_INFO_V1(cdr_explain_event);

Datum
cdr_explain_event(PG_FUNCTION_ARGS)
{
	MemoryContext scratch;
	MemoryContext outer;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service explain", ALLOCSET_DEFAULT_SIZES);
	outer = MemoryContextSwitchTo(scratch);
	explain_given(fcinfo);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * What is in the tables
 * ------------------------------------------------------------------------
 */

static void
require_found(bool found, Datum id, const char *table)
{
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no event %s in %s",
						DatumGetCString(DirectFunctionCall1(uuid_out, id)),
						table)));
}

PG_FUNCTION_INFO_V1(cdr_explain_recorded_event);

Datum
cdr_explain_recorded_event(PG_FUNCTION_ARGS)
{
	CdrArguments arguments = {1, true, {UUIDOID, TEXTOID}, {0}};
	CdrCursor	 cursor;
	CdrTables	 tables;
	bool		 found = false;
	int			 guc_level;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	arguments.values[0] = PG_GETARG_DATUM(0);
	if (!PG_ARGISNULL(1))
		arguments.values[arguments.count++] = PG_GETARG_DATUM(1);
	guc_level = cdr_reader_query_open(&tables);
	cdr_mappings_look();
	cdr_cursor_open(&cursor,
					psprintf("SELECT " CDR_LOG_EVENT
							 " FROM %s.call_events AS e"
							 " WHERE e.event_id = $1%s",
							 tables.quoted,
							 arguments.count > 1 ? " AND e.call_id = $2" : ""),
					&arguments, CDR_AS_CALLER, 1);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		CdrNotes		notes;
		const CdrEvent *event = cdr_log_event_noted(
			&cursor, cdr_log_text(&cursor, CDR_LOG_CALL_ID), &notes);

		explain_to((ReturnSetInfo *) fcinfo->resultinfo, event, &notes, false);
		found = true;
	}
	cdr_cursor_close(&cursor);
	require_found(found, PG_GETARG_DATUM(0), "call_events");
	cdr_reader_query_close(guc_level);
	return (Datum) 0;
}

/* Why it was kept, when it was tried last. */
static void
return_letter(ReturnSetInfo *info)
{
	static const char *const columns[] = {"sqlstate", "message", "detail",
										  "constraint_name"};

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		bool		 isnull;
		Datum		 value = cdr_result(0, CDR_LETTER_NEXT + i, &isnull);
		CdrExplained row = {
			.part = "dead letter", .column = columns[i], .time = CDR_NO_TIME};

		if (isnull)
			continue;
		row.value = TextDatumGetCString(value);
		return_explained(info, &row);
	}
}

static void
explain_letter(FunctionCallInfo fcinfo)
{
	Explained	explained = {.info = (ReturnSetInfo *) fcinfo->resultinfo,
							 .options = cdr_event_options_now(),
							 .is_trial = !PG_ARGISNULL(1)};
	CdrMessage *message = cdr_dead_letters_message(0);

	return_letter(explained.info);
	if (explained.is_trial)
		explained.options.mappings =
			use_of_mapping(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	choose_own_mapping(&explained, message);
	explain_message(&explained, message);
}

PG_FUNCTION_INFO_V1(cdr_explain_dead_letter);

Datum
cdr_explain_dead_letter(PG_FUNCTION_ARGS)
{
	Oid		  types[] = {UUIDOID};
	Datum	  values[1];
	CdrTables tables;
	int		  guc_level;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	values[0] = PG_GETARG_DATUM(0);
	guc_level = cdr_reader_query_open(&tables);
	if (SPI_execute_with_args(
			psprintf("SELECT " CDR_LETTER_MESSAGE
					 ", sqlstate, message, detail, constraint_name"
					 " FROM ONLY %s.dead_letters WHERE event_id = $1",
					 tables.quoted),
			1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "dead letter could not be read");
	require_found(SPI_processed > 0, values[0], "dead_letters");
	explain_letter(fcinfo);
	cdr_reader_query_close(guc_level);
	return (Datum) 0;
}
