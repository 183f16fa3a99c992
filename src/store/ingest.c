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
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/bisect.h"
#include "store/event_options.h"
#include "store/record.h"
#include "store/writer.h"

/* What a caller can do about an event that was not understood. */
static const char *
hint_for(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		return "Raise cdr_service.max_event_size if events of that size are "
			   "meant to be recorded.";
	if (sqlerrcode == ERRCODE_STRING_DATA_RIGHT_TRUNCATION)
		return "A call id is a SIP Call-ID of at most 255 bytes.";
	return "An event is a JSON object such as {\"eventType\": "
		   "\"call.answered\", \"callId\": \"...\", \"timestamp\": "
		   "\"2026-01-19T22:00:03Z\"}, without \\u0000.";
}

/* Parses the text of a json value; throws if it is no event. */
static void
parse_json(text *json, CdrEvent *event)
{
	CdrEventOptions options = cdr_event_options();
	CdrMessage	   *message = palloc0(sizeof(CdrMessage));

	message->body = VARDATA_ANY(json);
	message->body_length = VARSIZE_ANY_EXHDR(json);
	message->body_size = message->body_length;
	message->property_time = CDR_NO_TIME;
	message->received_at = GetCurrentTimestamp();
	if (!cdr_event_parse_json(message, &options, event))
		ereport(ERROR,
				(errcode(event->reason->sqlerrcode),
				 errmsg("%s", event->reason->message),
				 event->reason->detail ? errdetail("%s", event->reason->detail)
									   : 0,
				 errhint("%s", hint_for(event->reason->sqlerrcode))));
}

/* Records understood events, in the caller's transaction; how many were new. */
static int64
ingest(CdrEvent *events, int count)
{
	CdrTables tables;
	CdrRights rights;
	CdrJob	  job;
	int64	  recorded;

	cdr_job_init(&job, events, count);
	Assert(job.nletters == 0);

	cdr_tables_require_locked(&tables);
	cdr_writer_open(&tables, &rights);
	recorded = cdr_record_events(job.events, job.nevents, false);
	cdr_writer_close(&rights);
	return recorded;
}

PG_FUNCTION_INFO_V1(cdr_ingest_event);

Datum
cdr_ingest_event(PG_FUNCTION_ARGS)
{
	CdrEvent event;

	parse_json(PG_GETARG_TEXT_PP(0), &event);
	PG_RETURN_BOOL(ingest(&event, 1) == 1);
}

PG_FUNCTION_INFO_V1(cdr_ingest_events);

Datum
cdr_ingest_events(PG_FUNCTION_ARGS)
{
	Datum	 *elements;
	bool	 *nulls;
	int		  count;
	CdrEvent *events;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), JSONOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		PG_RETURN_INT64(0);
	events =
		MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(CdrEvent));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("event %d of the array is null", i + 1)));
		parse_json(DatumGetTextPP(elements[i]), &events[i]);
	}
	PG_RETURN_INT64(ingest(events, count));
}
