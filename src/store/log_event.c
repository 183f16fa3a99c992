/*-------------------------------------------------------------------------
 *
 * log_event.c
 *	  An event, read again from the row that records it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "event/explain.h"
#include "store/event_options.h"
#include "store/log_event.h"

char *
cdr_log_text(const CdrCursor *cursor, int column)
{
	bool  isnull;
	Datum value = cdr_cursor_value(cursor, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The mapping that the event was read by; NULL: none. */
static const struct CdrMappingUse *
mapping_of_row(const CdrCursor *cursor)
{
	bool  isnull;
	Datum id = cdr_cursor_value(cursor, CDR_LOG_MAPPING, &isnull);

	return isnull ? NULL : cdr_mappings_recorded(DatumGetInt32(id));
}

static void
take_message_id(const CdrCursor *cursor, CdrMessage *message)
{
	bool  isnull;
	Datum value = cdr_cursor_value(cursor, CDR_LOG_MESSAGE_ID, &isnull);

	if (!isnull)
	{
		bytea *bytes = DatumGetByteaPP(value);

		message->message_id = VARDATA_ANY(bytes);
		message->message_id_length = VARSIZE_ANY_EXHDR(bytes);
	}
}

CdrMessage *
cdr_log_message(const CdrCursor *cursor, bool *is_json)
{
	CdrMessage *message = palloc0(sizeof(CdrMessage));
	Datum		value;
	bool		isnull;

	message->property_time = CDR_NO_TIME;
	message->routing_key = cdr_log_text(cursor, CDR_LOG_ROUTING_KEY);
	message->content_type = cdr_log_text(cursor, CDR_LOG_CONTENT_TYPE);
	message->headers = cdr_log_text(cursor, CDR_LOG_HEADERS);
	message->other_properties = cdr_log_text(cursor, CDR_LOG_PROPERTIES);
	message->content_encoding = cdr_log_text(cursor, CDR_LOG_CONTENT_ENCODING);
	message->type = cdr_log_text(cursor, CDR_LOG_TYPE);
	message->exchange = cdr_log_text(cursor, CDR_LOG_EXCHANGE);
	message->array = cdr_log_text(cursor, CDR_LOG_ARRAY);
	take_message_id(cursor, message);
	value = cdr_cursor_value(cursor, CDR_LOG_PAYLOAD, &isnull);
	*is_json = !isnull;
	if (isnull)
		value = cdr_cursor_value(cursor, CDR_LOG_BODY, &isnull);
	if (!isnull)
	{
		bytea *body = DatumGetByteaPP(value);

		message->body = VARDATA_ANY(body);
		message->body_length = VARSIZE_ANY_EXHDR(body);
	}
	message->body_size = message->body_length;
	return message;
}

static bool
is_erased(const CdrCursor *cursor)
{
	bool  isnull;
	Datum value = cdr_cursor_value(cursor, CDR_LOG_ERASED, &isnull);

	return !isnull && DatumGetBool(value);
}

/* What is left of an event when it was erased. */
static void
read_erased(const CdrMessage *message, CdrEvent *event)
{
	memset(event, 0, sizeof(CdrEvent));
	event->message = message;
	event->erased = palloc0(sizeof(CdrErasure));
	event->reason = cdr_no_event(ERRCODE_NO_DATA, "its content was erased");
}

CdrEvent *
cdr_log_event(const CdrCursor *cursor, const char *call_id)
{
	return cdr_log_event_noted(cursor, call_id, NULL);
}

CdrEvent *
cdr_log_event_noted(const CdrCursor *cursor, const char *call_id,
					CdrNotes *notes)
{
	CdrEventOptions options = cdr_event_options();
	bool			is_json;
	CdrMessage	   *message = cdr_log_message(cursor, &is_json);
	CdrEvent	   *event = palloc(sizeof(CdrEvent));
	pg_uuid_t	   *id = palloc(sizeof(pg_uuid_t));
	bool			isnull;
	bool			is_event;

	*id = *DatumGetUUIDP(cdr_cursor_value(cursor, CDR_LOG_EVENT_ID, &isnull));
	message->id = id;
	message->known_time_source =
		DatumGetChar(cdr_cursor_value(cursor, CDR_LOG_TIME_SOURCE, &isnull));
	message->known_time = DatumGetTimestampTz(
		cdr_cursor_value(cursor, CDR_LOG_EVENT_TIME, &isnull));
	message->of_function = message->known_time_source == CDR_TIME_OF_FUNCTION;

	/* it was small enough once */
	options.max_event_size = SIZE_MAX;
	options.mappings = mapping_of_row(cursor);
	if (notes != NULL)
		cdr_explain_begin(notes, &options);
	is_event = false;
	if (is_erased(cursor))
		read_erased(message, event);
	else
		is_event = is_json ? cdr_event_parse_json(message, &options, event)
						   : cdr_event_parse(message, &options, event);
	if (!is_event)
		event->nfacts = 0;
	event->id = *id;
	event->time = message->known_time;
	event->time_source = message->known_time_source;
	event->call_id = call_id;
	return event;
}

bool
cdr_call_has_new_strings(const CdrCall *call, const CdrCall *before)
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

void
cdr_call_copy_strings(CdrCall *call, MemoryContext into)
{
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
}
