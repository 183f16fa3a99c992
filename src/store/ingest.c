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
#include "event/json_members.h"
#include "event/timestamp.h"
#include "store/bisect.h"
#include "store/event_options.h"
#include "store/record.h"
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

/* A message of a body, received just now. */
static CdrMessage *
make_message(const char *body, size_t length)
{
	CdrMessage *message = palloc0(sizeof(CdrMessage));

	message->body = body;
	message->body_length = length;
	message->body_size = length;
	message->property_time = CDR_NO_TIME;
	message->received_at = GetCurrentTimestamp();
	return message;
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

/* Reads one that is an event; throws if it is none. */
static void
ingest_one(Ingested *ingested, const CdrMessage *message,
		   const CdrEventOptions *options, int place)
{
	CdrEvent *event;
	bool	  is_event;

	if (ingested->count == ingested->room)
	{
		ingested->room *= 2;
		ingested->events =
			repalloc_huge(ingested->events, ingested->room * sizeof(CdrEvent));
	}
	event = &ingested->events[ingested->count++];
	is_event = ingested->known_json
				   ? cdr_event_parse_json(message, options, event)
				   : cdr_event_parse(message, options, event);
	if (!is_event)
		refuse_message(event->reason, ingested->known_json, message, place);
}

/* Reads a message: an event, or an array of them, each of which must be one. */
static void
ingest_whole(Ingested *ingested, const CdrMessage *message,
			 const CdrEventOptions *options)
{
	CdrEach each;

	if (!cdr_each_asked(message, options) ||
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
ingest_json(Ingested *ingested, text *json)
{
	CdrEventOptions options = cdr_event_options_now();

	ingest_whole(ingested,
				 make_message(VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json)),
				 &options);
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
	cdr_record_events(job.events, job.nevents, false, &job.recorded);
	cdr_writer_close(&rights);
	return job.recorded.events;
}

PG_FUNCTION_INFO_V1(cdr_ingest_event);

Datum
cdr_ingest_event(PG_FUNCTION_ARGS)
{
	Ingested ingested;

	begin_ingesting(&ingested, 1, true);
	ingest_json(&ingested, PG_GETARG_TEXT_PP(0));
	PG_RETURN_BOOL(ingest(&ingested) > 0);
}

PG_FUNCTION_INFO_V1(cdr_ingest_events);

Datum
cdr_ingest_events(PG_FUNCTION_ARGS)
{
	Datum	*elements;
	bool	*nulls;
	int		 count;
	Ingested ingested;

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
		ingest_json(&ingested, DatumGetTextPP(elements[i]));
	}
	PG_RETURN_INT64(ingest(&ingested));
}

/* The years 0001 to 9999, as in a body; what AMQP can say lies within. */
#define FIRST_TIME \
	((TimestampTz) (1721426 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)
#define END_TIME \
	((TimestampTz) (5373485 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

static TimestampTz
check_time(TimestampTz time)
{
	if (time < FIRST_TIME || time >= END_TIME)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("property_time is out of range"),
						errdetail("Events have times from the year 1 to the "
								  "year 9999.")));
	return cdr_timestamp_if_set(time);
}

/* An argument that is text, or NULL. */
#define TEXT_ARGUMENT(n) \
	(PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n)))

/* An argument that is a JSON object, or NULL. */
static const char *
object_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	const char	  *json = TEXT_ARGUMENT(n);
	CdrJsonMembers members;

	if (json != NULL && !cdr_json_members_read(json, strlen(json), &members))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be a JSON object", name)));
	return json;
}

/* The property type, of a JSON object of properties; NULL: there is none. */
static const char *
type_among(const char *properties)
{
	CdrJsonMembers members;

	(void) cdr_json_members_read(properties, strlen(properties), &members);
	return cdr_json_member_text(cdr_json_member(&members, "type"));
}

PG_FUNCTION_INFO_V1(cdr_ingest_message);

Datum
cdr_ingest_message(PG_FUNCTION_ARGS)
{
	CdrEventOptions options = cdr_event_options_now();
	Ingested		ingested;
	CdrMessage	   *message;
	bytea		   *body;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	body = PG_GETARG_BYTEA_PP(0);
	message = make_message(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body));
	message->routing_key = TEXT_ARGUMENT(1);
	message->content_type = TEXT_ARGUMENT(2);
	message->content_encoding = TEXT_ARGUMENT(3);
	message->type = TEXT_ARGUMENT(4);
	message->exchange = TEXT_ARGUMENT(5);
	if (!PG_ARGISNULL(6))
	{
		bytea *message_id = PG_GETARG_BYTEA_PP(6);

		message->message_id = VARDATA_ANY(message_id);
		message->message_id_length = VARSIZE_ANY_EXHDR(message_id);
	}
	if (!PG_ARGISNULL(7))
		message->property_time = check_time(PG_GETARG_TIMESTAMPTZ(7));
	message->headers = object_argument(fcinfo, 8, "headers");
	message->other_properties = object_argument(fcinfo, 9, "properties");
	if (message->type == NULL && message->other_properties != NULL)
		message->type = type_among(message->other_properties);
	begin_ingesting(&ingested, 1, false);
	ingest_whole(&ingested, message, &options);
	PG_RETURN_BOOL(ingest(&ingested) > 0);
}
