/*-------------------------------------------------------------------------
 *
 * ingest.c
 *	  SQL: events in, with the same way as from the broker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "event/each.h"
#include "store/bisect.h"
#include "store/event_options.h"
#include "store/given_message.h"
#include "store/record.h"
#include "store/row_event.h"
#include "store/writer.h"

/* What an event looks like, for a hint. */
#define JSON_EVENT                                            \
	"An event is a JSON object such as {\"eventType\": "      \
	"\"call.answered\", \"callId\": \"...\", \"timestamp\": " \
	"\"2026-01-19T22:00:03Z\"}."
#define ANY_EVENT                                                      \
	"An event is a JSON object, or one of the platform's messages in " \
	"Protobuf."

/* What a caller can do about an event that was not understood. */
static const char *
hint_for(int sqlerrcode, bool known_json)
{
	if (sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		return "Raise cdr_service.max_event_size if events of that size are "
			   "meant to be recorded.";
	if (sqlerrcode == ERRCODE_STRING_DATA_RIGHT_TRUNCATION)
		return "A call id is a SIP Call-ID of at most 255 bytes.";
	return known_json ? JSON_EVENT : ANY_EVENT;
}

/* What was read of the messages of a caller. */
typedef struct Ingested
{
	CdrEvent *events;
	int		  count;
	int		  room;
	bool	  known_json; /* they are values of SQL's type json */
} Ingested;

static void
begin_ingesting(Ingested *ingested, int room, bool known_json)
{
	ingested->known_json = known_json;
	ingested->count = 0;
	ingested->room = Max(room, 1);
	ingested->events = MemoryContextAllocHuge(
		CurrentMemoryContext, ingested->room * sizeof(CdrEvent));
}

/* place: among the elements of an array, from 1 on; 0: it came alone. */
static void
refuse_message(const CdrReason *reason, bool known_json,
			   const CdrMessage *message, int place)
{
	ereport(ERROR,
			(errcode(reason->sqlerrcode), errmsg("%s", reason->message),
			 reason->detail ? errdetail("%s", reason->detail) : 0,
			 errhint("%s", reason->hint != NULL
							   ? reason->hint
							   : hint_for(reason->sqlerrcode, known_json)),
			 place > 0 ? errcontext("element %d of the array at \"%s\"", place,
									message->array)
					   : 0));
}

/* Reads one, a row of a backfill by its mapping; false: it is no event. */
static bool
read_ingested(const Ingested *ingested, const CdrMessage *message,
			  const CdrEventOptions *options, CdrEvent *event)
{
	if (message->mapping != NULL)
	{
		cdr_row_read(message, cdr_mappings_named(message->mapping), options,
					 event);
		return event->reason == NULL;
	}
	return ingested->known_json ? cdr_event_parse_json(message, options, event)
								: cdr_event_parse(message, options, event);
}

/* Reads one that is an event; throws if it is none. */
static void
ingest_one(Ingested *ingested, const CdrMessage *message,
		   const CdrEventOptions *options, int place)
{
	CdrEvent *event;

	if (ingested->count == ingested->room)
	{
		ingested->room *= 2;
		ingested->events =
			repalloc_huge(ingested->events, ingested->room * sizeof(CdrEvent));
	}
	event = &ingested->events[ingested->count++];
	if (!read_ingested(ingested, message, options, event))
		refuse_message(event->reason, ingested->known_json, message, place);
}

/* Reads a message: an event, or an array of them, each of which must be one. */
static void
ingest_whole(Ingested *ingested, const CdrMessage *message,
			 const CdrEventOptions *options)
{
	CdrEach each;

	if (message->mapping != NULL || !cdr_each_asked(message, options) ||
		!cdr_each_split(message, options, ingested->known_json, &each))
	{
		ingest_one(ingested, message, options, 0);
		return;
	}
	if (each.refused != NULL)
		refuse_message(each.refused, ingested->known_json, message, 0);
	for (int i = 0; i < each.count; i++)
		ingest_one(ingested, &each.messages[i], options, i + 1);
}

/* Reads the text of a json value. */
static void
ingest_json(Ingested *ingested, const CdrEventOptions *options, text *json)
{
	ingest_whole(
		ingested,
		cdr_message_of_body(VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json)),
		options);
}

/* Records understood events, in the caller's transaction; how many were new. */
static int64
ingest(const Ingested *ingested)
{
	CdrTables tables;
	CdrRights rights;
	CdrJob	  job;

	cdr_job_init(&job, ingested->events, ingested->count);
	Assert(job.nletters == 0);

	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	cdr_record_events(job.events, job.nevents, CDR_LIKELY_NEW, &job.recorded);
	cdr_writer_close(&rights);
	return job.recorded.events;
}

PG_FUNCTION_INFO_V1(cdr_ingest_event);

Datum
cdr_ingest_event(PG_FUNCTION_ARGS)
{
	CdrEventOptions options = cdr_event_options_now();
	Ingested		ingested;

	begin_ingesting(&ingested, 1, true);
	ingest_json(&ingested, &options, PG_GETARG_TEXT_PP(0));
	PG_RETURN_BOOL(ingest(&ingested) > 0);
}

PG_FUNCTION_INFO_V1(cdr_ingest_events);

Datum
cdr_ingest_events(PG_FUNCTION_ARGS)
{
	CdrEventOptions options = cdr_event_options_now();
	Datum		   *elements;
	bool		   *nulls;
	int				count;
	Ingested		ingested;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), JSONOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		PG_RETURN_INT64(0);
	begin_ingesting(&ingested, count, true);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("event %d of the array is null", i + 1)));
		ingest_json(&ingested, &options, DatumGetTextPP(elements[i]));
	}
	PG_RETURN_INT64(ingest(&ingested));
}

PG_FUNCTION_INFO_V1(cdr_ingest_message);

Datum
cdr_ingest_message(PG_FUNCTION_ARGS)
{
	CdrEventOptions options = cdr_event_options_now();
	Ingested		ingested;
	CdrMessage	   *message;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	message = cdr_given_message(fcinfo);
	begin_ingesting(&ingested, 1, false);
	ingest_whole(&ingested, message, &options);
	PG_RETURN_BOOL(ingest(&ingested) > 0);
}
