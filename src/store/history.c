/*-------------------------------------------------------------------------
 *
 * history.c
 *	  SQL: events as people would read them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/result.h"
#include "base/zone.h"
#include "call/story.h"
#include "event/content.h"
#include "event/json_mend.h"
#include "event/json_show.h"
#include "event/protobuf_json.h"
#include "store/event_options.h"
#include "store/log_event.h"
#include "store/log_segments.h"
#include "store/reader_query.h"

/*
 * The body of an event, in whatever form, as JSON for people.  NULL for what is no
 * event, and for Protobuf larger than an event may be, so that one such row does
 * not end a query.
 */
static text *
show_body(const char *body, size_t length, const char *event_type)
{
	StringInfoData json;
	size_t		   mended_length;
	char		  *mended;

	initStringInfo(&json);
	if (cdr_json_show(body, length, &json))
		return cstring_to_text_with_len(json.data, json.len);
	mended = cdr_json_mend(body, length, &mended_length);
	if ((mended == NULL || !cdr_json_show(mended, mended_length, &json)) &&
		(length > (size_t) cdr_max_event_size ||
		 cdr_protobuf_json(body, length, event_type, &json) != NULL))
		return NULL;
	return cstring_to_text_with_len(json.data, json.len);
}

/* The same of a message, without what its body was packed into. */
static text *
show_message(const CdrMessage *message, const char *event_type)
{
	CdrEventOptions options = cdr_event_options();
	CdrContent		content;
	text		   *shown = NULL;

	if (cdr_content_open(message, &options, &content) == NULL)
		shown = show_body(content.body, content.length, event_type);
	cdr_content_close(&content);
	return shown;
}

PG_FUNCTION_INFO_V1(cdr_event_json);

Datum
cdr_event_json(PG_FUNCTION_ARGS)
{
	CdrMessage message = {.property_time = CDR_NO_TIME};
	bytea	  *body;
	text	  *shown;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	body = PG_GETARG_BYTEA_PP(0);
	message.body = VARDATA_ANY(body);
	message.body_length = message.body_size = VARSIZE_ANY_EXHDR(body);
	shown = show_message(
		&message,
		PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (shown == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(shown);
}

/* The events of a call, and what is told of it. */
typedef struct History
{
	CdrCursor	   events;
	CdrLogSegments log;
	Datum		   zone;	   /* text; 0: that of the session */
	TimestampTz	   first_time; /* CDR_NO_TIME: none yet */

	/* The stretch of the event in hand, with the one before and the one after;
	 * each has its strings in a context of its own. */
	int			  number; /* of the stretch in hand, from 0 */
	CdrSegment	  stretches[3];
	bool		  is_there[3];
	MemoryContext strings[3];
	MemoryContext scratch;
} History;

/* Where the stretch of a number is kept. */
#define PLACE(number) ((number) % 3)

/* What the query of a history reads beside the events. */
enum
{
	HISTORY_RECEIVED_AT = CDR_LOG_NEXT,
	HISTORY_EVENT_TYPE
};

static void
read_stretch(History *history, int number)
{
	int place = PLACE(number);

	MemoryContextReset(history->strings[place]);
	history->is_there[place] = cdr_log_segments_next(
		&history->log, history->strings[place], &history->stretches[place]);
}

/* The stretch that an event belongs to, as the next one of all. */
static int
stretch_of(History *history, const CdrEvent *event)
{
	int				  before = history->number - 1;
	const CdrSegment *next = &history->stretches[PLACE(before + 2)];

	if (history->is_there[PLACE(before + 2)] &&
		memcmp(next->first.data, event->id.data, UUID_LEN) == 0)
	{
		before = history->number++;
		read_stretch(history, before + 2);
	}
	if (before >= 0 && history->stretches[PLACE(before)].has_late_end &&
		memcmp(history->stretches[PLACE(before)].late_end.data, event->id.data,
			   UUID_LEN) == 0)
		return before;
	return before + 1;
}

/* An event that belongs to no call is told by itself. */
static Datum
describe(History *history, const CdrEvent *event)
{
	StringInfoData sentence;
	CdrStory	   story;
	CdrCall		   alone;

	initStringInfo(&sentence);
	if (event->call_id[0] == '\0')
	{
		cdr_call_init(&alone, event->call_id);
		cdr_call_add(&alone, event);
		cdr_story_init(&story, &alone, false);
	}
	else
	{
		int number = stretch_of(history, event);

		cdr_story_init(&story, &history->stretches[PLACE(number)].call,
					   number > 0);
	}
	cdr_story_tell(&story, event, &sentence);
	return CStringGetTextDatum(sentence.data);
}

static Datum
in_zone(const History *history, TimestampTz time)
{
	if (history->zone == 0)
		return DirectFunctionCall1(timestamptz_timestamp,
								   TimestampTzGetDatum(time));
	return cdr_local_timestamp(history->zone, time);
}

/* The row in hand, as history.sql has its columns. */
static void
return_event(ReturnSetInfo *info, History *history, const char *call_id)
{
	CdrEvent *event = cdr_log_event(&history->events, call_id);
	Datum	  values[7];
	bool	  nulls[7] = {false};
	text	 *shown;

	event->type = cdr_log_text(&history->events, HISTORY_EVENT_TYPE);
	if (history->first_time == CDR_NO_TIME)
		history->first_time = event->time;
	values[0] = TimestampTzGetDatum(event->time);
	values[1] = DirectFunctionCall2(timestamp_mi, values[0],
									TimestampTzGetDatum(history->first_time));
	values[2] =
		cdr_cursor_value(&history->events, HISTORY_EVENT_TYPE, &nulls[2]);
	values[3] = describe(history, event);
	values[4] =
		cdr_cursor_value(&history->events, HISTORY_RECEIVED_AT, &nulls[4]);
	shown = event->erased != NULL ? NULL
								  : show_message(event->message, event->type);
	values[5] = PointerGetDatum(shown);
	nulls[5] = shown == NULL;
	values[6] = in_zone(history, event->time);
	CDR_PUT_ROW(info, values, nulls);
}

static void
open_history(History *history, const CdrTables *tables, Datum call_id)
{
	CdrArguments arguments = {1, true, {TEXTOID}, {call_id}};

	for (int i = 0; i < (int) lengthof(history->strings); i++)
		history->strings[i] =
			AllocSetContextCreate(CurrentMemoryContext, "cdr_service stretch",
								  ALLOCSET_DEFAULT_SIZES);
	history->scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service history", ALLOCSET_DEFAULT_SIZES);
	cdr_log_segments_open(&history->log, tables, call_id);
	/* of what belongs to no call there may be any number */
	if (VARSIZE_ANY_EXHDR(DatumGetTextPP(call_id)) > 0)
	{
		read_stretch(history, 0);
		read_stretch(history, 1);
	}
	/* what is shown of a row may be large */
	cdr_cursor_open(
		&history->events,
		psprintf("SELECT " CDR_LOG_EVENT
				 ", e.received_at, e.event_type" CDR_EVENTS_OF_CALL,
				 tables->quoted),
		&arguments, CDR_AS_CALLER, 1);
}

static void
close_history(History *history)
{
	cdr_cursor_close(&history->events);
	cdr_log_segments_close(&history->log);
	for (int i = 0; i < (int) lengthof(history->strings); i++)
		MemoryContextDelete(history->strings[i]);
	MemoryContextDelete(history->scratch);
}

PG_FUNCTION_INFO_V1(cdr_call_history);

/* With the rights of the caller. */
Datum
cdr_call_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	History		   history = {.first_time = CDR_NO_TIME};
	CdrTables	   tables;
	char		  *call_id;
	int			   guc_level;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(1))
		history.zone = PG_GETARG_DATUM(1);
	/* one that there is not is an error, also where there are no events */
	(void) in_zone(&history, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	call_id = TextDatumGetCString(PG_GETARG_DATUM(0));
	guc_level = cdr_reader_query_open(&tables);
	open_history(&history, &tables, PG_GETARG_DATUM(0));
	while (cdr_cursor_next(&history.events) != NULL)
	{
		MemoryContext outer = MemoryContextSwitchTo(history.scratch);

		return_event(info, &history, call_id);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(history.scratch);
	}
	close_history(&history);
	cdr_reader_query_close(guc_level);
	return (Datum) 0;
}
