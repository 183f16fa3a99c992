/*-------------------------------------------------------------------------
 *
 * examples.c
 *	  SQL: examples of mappings, taken from the log and tried.
 *
 * Both functions run with the rights of their caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/result.h"
#include "event/mapping_parts.h"
#include "store/anew.h"
#include "store/example.h"
#include "store/made_event.h"
#include "store/mapping_cache.h"
#include "store/reader_query.h"

/* Examples of one mapping that can be added by the function. */
#define EXAMPLES_MAX 1000

/* Rows that are fetched at a time. */
#define EXAMPLES_PORTION 10

/* Those of cdr_test_mappings(), in mappings.sql. */
#define TEST_COLUMNS 6

#define READ_EVENT                                       \
	"SELECT " CDR_ANEW_EVENT " FROM %s.call_events AS e" \
	" WHERE e.event_id = $1 AND e.time_source <> 'f'"    \
	" AND NOT " CDR_LOG_IS_ERASED " ORDER BY e.recorded_at LIMIT 1"

#define COUNT_EXAMPLES \
	"SELECT count(*) FROM %s.cdr_mapping_examples WHERE name = $1"

#define INSERT_EXAMPLE                             \
	"INSERT INTO %s.cdr_mapping_examples"          \
	" (name, example, body, properties, expected)" \
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"

#define READ_EXAMPLES                                       \
	"SELECT e.name, e.example, e.body, e.properties::text," \
	" e.expected::text FROM %s.cdr_mapping_examples AS e%s" \
	" ORDER BY e.name, e.example"

enum
{
	EXAMPLE_NAME = 1,
	EXAMPLE_EXAMPLE,
	EXAMPLE_BODY,
	EXAMPLE_PROPERTIES,
	EXAMPLE_EXPECTED
};

/* The version of a name that is in force; 0: none is. */
static int
version_in_force(const char *name)
{
	const CdrMappingUse *use = cdr_mappings_in_force();

	for (int i = 0; use != NULL && i < use->set->count; i++)
	{
		if (strcmp(use->set->mappings[i]->id.name, name) == 0)
			return use->set->mappings[i]->id.version;
	}
	return 0;
}

static bool
is_read_by(const CdrEvent *event, const char *name)
{
	return event->mapping != NULL && strcmp(event->mapping->name, name) == 0;
}

/* ------------------------------------------------------------------------
 * From the log
 * ------------------------------------------------------------------------
 */

/* What an example consists of. */
typedef struct Example
{
	const CdrMessage *message;
	const char		 *properties; /* NULL: none */
	CdrEvent		  event;
} Example;

static void
require_mapping(const char *name)
{
	if (version_in_force(name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no version of mapping \"%s\" is in force", name)));
}

/* The message of the row in hand, as an example has it, and what it says. */
static void
make_example(const CdrCursor *cursor, Example *example)
{
	bool		is_json;
	bool		isnull;
	CdrMessage *message = cdr_message_anew(cursor, NULL, &is_json);

	if (DatumGetChar(cdr_cursor_value(cursor, CDR_LOG_TIME_SOURCE, &isnull)) ==
		CDR_TIME_OF_PROPERTY)
		message->property_time = DatumGetTimestampTz(
			cdr_cursor_value(cursor, CDR_LOG_EVENT_TIME, &isnull));
	example->properties = cdr_example_properties(message);
	/* as it will be read when it is tried */
	example->message = cdr_example_message(message->body, message->body_length,
										   example->properties);
	if (!cdr_example_read(example->message, &example->event))
		cdr_throw(example->event.reason);
}

static void
refuse_other_mapping(const char *name, const CdrEvent *event)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 event->mapping == NULL
			 ? errmsg("event is not read by mapping \"%s\", nor by another",
					  name)
			 : errmsg("event is not read by mapping \"%s\", but by \"%s\"",
					  name, event->mapping->name),
		 errdetail("An example is what a mapping makes of a message now."),
		 errhint("Change the mapping first. Of an event that no mapping "
				 "has read, the log may not know the exchange: see "
				 "cdr_rebuild_calls(remap => true, exchange => ...).")));
}

static void
check_number_of_examples(const CdrTables *tables, const char *name)
{
	Oid	  types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	bool  isnull;
	int64 count;

	if (SPI_execute_with_args(psprintf(COUNT_EXAMPLES, tables->quoted), 1,
							  types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	if (count >= EXAMPLES_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("mapping \"%s\" has %d examples already", name,
							   EXAMPLES_MAX),
						errhint("Delete some from cdr_mapping_examples.")));
}

static void
insert_example(const CdrTables *tables, const char *name, const char *title,
			   const Example *example)
{
	const CdrMessage *message = example->message;
	Oid				  types[] = {TEXTOID, TEXTOID, BYTEAOID, JSONOID, JSONOID};
	Datum			  values[] = {
					CStringGetTextDatum(name), CStringGetTextDatum(title),
					PointerGetDatum(cstring_to_text_with_len(message->body,
															 (int) message->body_length)),
					0, CStringGetTextDatum(cdr_example_expected(&example->event))};
	char nulls[] = "     ";

	if (example->properties != NULL)
		values[3] = CStringGetTextDatum(example->properties);
	else
		nulls[3] = 'n';
	if (SPI_execute_with_args(psprintf(INSERT_EXAMPLE, tables->quoted), 5,
							  types, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_with_args failed");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("mapping \"%s\" has an example \"%s\" already", name,
						title),
				 errhint("Give this one another name, or delete that one from "
						 "cdr_mapping_examples.")));
}

/* In SPI, which is connected. */
static void
add_example(const CdrTables *tables, const char *name, Datum event_id,
			const char *title)
{
	CdrArguments  arguments = {1, false, {UUIDOID}, {event_id}};
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service example", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	Example		  example;
	CdrCursor	  cursor;

	cdr_cursor_open(&cursor, psprintf(READ_EVENT, tables->quoted), &arguments,
					CDR_AS_CALLER, 1);
	if (cdr_cursor_next(&cursor) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("event %s is not in the log, or did not come from "
						"outside",
						DatumGetCString(
							DirectFunctionCall1(uuid_out, event_id)))));
	make_example(&cursor, &example);
	if (!is_read_by(&example.event, name))
		refuse_other_mapping(name, &example.event);
	check_number_of_examples(tables, name);
	insert_example(tables, name, title, &example);
	cdr_cursor_close(&cursor);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

PG_FUNCTION_INFO_V1(cdr_add_mapping_example);

Datum
cdr_add_mapping_example(PG_FUNCTION_ARGS)
{
	const char *name;
	const char *title;
	CdrTables	tables;
	int			guc_level;

	cdr_require_argument(fcinfo, 0, "name");
	cdr_require_argument(fcinfo, 1, "event_id");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	title = PG_ARGISNULL(2) ? DatumGetCString(DirectFunctionCall1(
								  uuid_out, PG_GETARG_DATUM(1)))
							: text_to_cstring(PG_GETARG_TEXT_PP(2));
	cdr_mappings_look();
	require_mapping(name);
	guc_level = cdr_reader_query_open(&tables);
	add_example(&tables, name, PG_GETARG_DATUM(1), title);
	cdr_reader_query_close(guc_level);
	PG_RETURN_TEXT_P(cstring_to_text(title));
}

/* ------------------------------------------------------------------------
 * Trying them
 * ------------------------------------------------------------------------
 */

/* Where differences of the example in hand go. */
typedef struct Findings
{
	ReturnSetInfo *info;
	const char	  *name;
	const char	  *example;
	int			   version; /* that it was read by; 0: none */
} Findings;

static void
put_text_value(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

static void
return_finding(const Findings *findings, const char *field,
			   const char *expected, const char *actual)
{
	Datum values[TEST_COLUMNS];
	bool  nulls[TEST_COLUMNS] = {false};

	put_text_value(values, nulls, 0, findings->name);
	put_text_value(values, nulls, 1, findings->example);
	values[2] = Int32GetDatum(findings->version);
	nulls[2] = findings->version == 0;
	put_text_value(values, nulls, 3, field);
	put_text_value(values, nulls, 4, expected);
	put_text_value(values, nulls, 5, actual);
	CDR_PUT_ROW(findings->info, values, nulls);
}

/* What a member says, as text; what is no text, as it is written. */
static const char *
shown_value(const CdrJsonMember *member)
{
	const char *text = cdr_json_member_text(member);

	if (text != NULL || member->kind == CDR_JSON_NULL)
		return text;
	return pnstrdup(member->start, member->end - member->start);
}

static void
compare_member(const Findings *findings, const CdrExampleField *fields,
			   int count, const CdrJsonMember *member)
{
	for (int i = 0; i < count; i++)
	{
		if (member->name == NULL || strcmp(fields[i].name, member->name) != 0)
			continue;
		if (!cdr_example_agrees(&fields[i], member))
			return_finding(findings, member->name, shown_value(member),
						   fields[i].value);
		return;
	}
	return_finding(findings, member->name, shown_value(member),
				   "there is no such field");
}

/* Compares what is expected with what an event says. */
static void
compare_event(const Findings *findings, const CdrEvent *event,
			  const char *expected)
{
	int				 count;
	CdrExampleField *fields = cdr_example_fields(event, &count);
	CdrJsonMembers	 members;

	if (!cdr_json_members_read(expected, strlen(expected), &members))
	{
		return_finding(findings, "expected", "a JSON object", expected);
		return;
	}
	for (int i = 0; i < members.count; i++)
		compare_member(findings, fields, count, &members.members[i]);
}

/* Which example has properties that cannot be read. */
static void
tell_example(void *findings)
{
	errcontext("example \"%s\" of mapping \"%s\"",
			   ((Findings *) findings)->example,
			   ((Findings *) findings)->name);
}

/* Reads the example in hand, and compares; in a context that is reset after it. */
static void
test_example(ReturnSetInfo *info, const CdrCursor *cursor)
{
	Findings			 findings = {info, cdr_log_text(cursor, EXAMPLE_NAME),
									 cdr_log_text(cursor, EXAMPLE_EXAMPLE), 0};
	ErrorContextCallback context = {.previous = error_context_stack,
									.callback = tell_example,
									.arg = &findings};
	bool				 isnull;
	bytea				*body =
		DatumGetByteaPP(cdr_cursor_value(cursor, EXAMPLE_BODY, &isnull));
	CdrMessage *message;
	CdrEvent	event;

	error_context_stack = &context;
	message = cdr_example_message(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body),
								  cdr_log_text(cursor, EXAMPLE_PROPERTIES));
	error_context_stack = context.previous;
	findings.version = version_in_force(findings.name);
	if (!cdr_example_read(message, &event))
		return_finding(&findings, "error", NULL, event.reason->message);
	else if (!is_read_by(&event, findings.name))
		return_finding(&findings, "mapping", findings.name,
					   event.mapping == NULL ? NULL : event.mapping->name);
	else
		compare_event(&findings, &event,
					  cdr_log_text(cursor, EXAMPLE_EXPECTED));
}

PG_FUNCTION_INFO_V1(cdr_test_mappings);

Datum
cdr_test_mappings(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext  outer = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(outer, "cdr_service example",
												  ALLOCSET_DEFAULT_SIZES);
	CdrArguments  arguments = {0};
	CdrTables	  tables;
	CdrCursor	  cursor;
	int			  guc_level;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		arguments = (CdrArguments){1, false, {TEXTOID}, {PG_GETARG_DATUM(0)}};
	cdr_mappings_look();
	guc_level = cdr_reader_query_open(&tables);
	cdr_cursor_open(&cursor,
					psprintf(READ_EXAMPLES, tables.quoted,
							 arguments.count > 0 ? " WHERE e.name = $1" : ""),
					&arguments, CDR_AS_CALLER, EXAMPLES_PORTION);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(scratch);
		test_example(info, &cursor);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(scratch);
	}
	cdr_cursor_close(&cursor);
	cdr_reader_query_close(guc_level);
	MemoryContextDelete(scratch);
	return (Datum) 0;
}
