/*-------------------------------------------------------------------------
 *
 * log_calls.c
 *	  Calls computed from the log, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "store/event_options.h"
#include "store/log_calls.h"

/* Rows of the log that are fetched at a time. */
#define LOG_PORTION 10

/* Columns of the query that reads the log. */
enum
{
	LOG_CALL_ID = 1,
	LOG_EVENT_TIME,
	LOG_EVENT_ID,
	LOG_TIME_SOURCE,
	LOG_ROUTING_KEY,
	LOG_PAYLOAD,
	LOG_BODY,
	LOG_CONTENT_TYPE
};

/* $1 is an array of ids.  COLLATE: whatever collation the column was given. */
#define READ_LOG                                                                 \
	"SELECT e.call_id, e.event_time, e.event_id, e.time_source,"                 \
	" e.routing_key, e.payload, e.body, e.content_type FROM %s.call_events AS e" \
	" WHERE e.call_id OPERATOR(pg_catalog.<>) ''%s ORDER BY e.call_id"           \
	" COLLATE pg_catalog.\"C\""

void
cdr_log_calls_open(CdrLogCalls *log, const CdrTables *tables, Datum ids,
				   CdrCursorSees sees)
{
	CdrArguments arguments = {
		ids == 0 ? 0 : 1, ids != 0, {TEXTARRAYOID}, {ids}};
	char *sql = psprintf(
		READ_LOG, tables->quoted,
		ids == 0 ? "" : " AND e.call_id OPERATOR(pg_catalog.=) ANY ($1)");

	cdr_cursor_open(&log->cursor, sql, &arguments, sees, LOG_PORTION);
	pfree(sql);
	log->has_row = cdr_cursor_next(&log->cursor) != NULL;
	log->scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service event", ALLOCSET_DEFAULT_SIZES);
	log->strings = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service call", ALLOCSET_DEFAULT_SIZES);
	log->strings_2 = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service call", ALLOCSET_DEFAULT_SIZES);
}

void
cdr_log_calls_close(CdrLogCalls *log)
{
	cdr_cursor_close(&log->cursor);
	MemoryContextDelete(log->scratch);
	MemoryContextDelete(log->strings);
	MemoryContextDelete(log->strings_2);
}

static char *
log_text(const CdrLogCalls *log, int column)
{
	bool  isnull;
	Datum value = cdr_cursor_value(&log->cursor, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/*
 * The event that the row in hand records.  What identifies and places it is
 * taken from the row; what it says, from its payload, else from its body.
 */
static CdrEvent *
event_from_log(const CdrLogCalls *log, const char *call_id)
{
	CdrEventOptions options = cdr_event_options();
	CdrMessage	   *message = palloc0(sizeof(CdrMessage));
	CdrEvent	   *event = palloc(sizeof(CdrEvent));
	pg_uuid_t	   *id = palloc(sizeof(pg_uuid_t));
	Datum			value;
	bool			isnull;
	bool			is_json;
	bool			is_event;

	*id =
		*DatumGetUUIDP(cdr_cursor_value(&log->cursor, LOG_EVENT_ID, &isnull));
	message->id = id;
	message->of_function =
		DatumGetChar(cdr_cursor_value(&log->cursor, LOG_TIME_SOURCE,
									  &isnull)) == CDR_TIME_OF_FUNCTION;
	message->property_time = DatumGetTimestampTz(
		cdr_cursor_value(&log->cursor, LOG_EVENT_TIME, &isnull));
	message->routing_key = log_text(log, LOG_ROUTING_KEY);
	message->content_type = log_text(log, LOG_CONTENT_TYPE);
	value = cdr_cursor_value(&log->cursor, LOG_PAYLOAD, &isnull);
	is_json = !isnull;
	if (!is_json)
		value = cdr_cursor_value(&log->cursor, LOG_BODY, &isnull);
	if (!isnull)
	{
		bytea *body = DatumGetByteaPP(value);

		message->body = VARDATA_ANY(body);
		message->body_length = VARSIZE_ANY_EXHDR(body);
	}
	message->body_size = message->body_length;

	/* it was small enough once */
	options.max_event_size = SIZE_MAX;
	is_event = is_json ? cdr_event_parse_json(message, &options, event)
					   : cdr_event_parse(message, &options, event);
	if (!is_event)
		event->kind = CDR_OTHER;
	event->time = message->property_time;
	event->time_source =
		DatumGetChar(cdr_cursor_value(&log->cursor, LOG_TIME_SOURCE, &isnull));
	event->call_id = call_id;
	return event;
}

/* Has the call taken strings that it did not have before? */
static bool
has_new_strings(const CdrCall *call, const CdrCall *before)
{
	if (call->corrections != before->corrections)
		return true;
	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		if (memcmp(call->facts[reg].texts, before->facts[reg].texts,
				   sizeof(call->facts[reg].texts)) != 0)
			return true;
	}
	return false;
}

/* Takes the strings of the call, and its corrections, out of the event's memory,
 * and frees those that it no longer has. */
static void
keep_strings(CdrLogCalls *log, CdrCall *call)
{
	MemoryContext into = log->strings_2;
	MemoryContext outer = MemoryContextSwitchTo(into);

	call->corrections = cdr_corrections_copy(call->corrections);
	MemoryContextSwitchTo(outer);
	call->call_id = MemoryContextStrdup(into, call->call_id);
	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		const char **texts = call->facts[reg].texts;

		for (int i = 0; i < CDR_FACT_NTEXTS; i++)
		{
			if (texts[i] != NULL)
				texts[i] = MemoryContextStrdup(into, texts[i]);
		}
	}
	log->strings_2 = log->strings;
	log->strings = into;
	MemoryContextReset(log->strings_2);
}

/* Adds the event of the row in hand. */
static void
add_row(CdrLogCalls *log, CdrCall *call)
{
	CdrCall		  before = *call;
	MemoryContext outer = MemoryContextSwitchTo(log->scratch);

	cdr_call_add(call, event_from_log(log, call->call_id));
	if (has_new_strings(call, &before))
		keep_strings(log, call);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(log->scratch);
}

static bool
is_of_call(CdrLogCalls *log, const CdrCall *call)
{
	MemoryContext outer = MemoryContextSwitchTo(log->scratch);
	bool result = strcmp(log_text(log, LOG_CALL_ID), call->call_id) == 0;

	MemoryContextSwitchTo(outer);
	MemoryContextReset(log->scratch);
	return result;
}

bool
cdr_log_calls_next(CdrLogCalls *log, CdrCall *call)
{
	MemoryContext outer;

	if (!log->has_row)
		return false;
	MemoryContextReset(log->strings);
	outer = MemoryContextSwitchTo(log->strings);
	cdr_call_init(call, log_text(log, LOG_CALL_ID));
	MemoryContextSwitchTo(outer);
	do
	{
		add_row(log, call);
		log->has_row = cdr_cursor_next(&log->cursor) != NULL;
	} while (log->has_row && is_of_call(log, call));
	return true;
}
