/*-------------------------------------------------------------------------
 *
 * made_event.c
 *	  Events that functions of this extension make: who, when, why.
 *
 * They take the way of all others into the log and into their call.  What tells
 * them apart is the time_source of their row: nothing that came from outside can
 * have it, whatever it says of itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "event/timestamp.h"
#include "store/bisect.h"
#include "store/event_options.h"
#include "store/made_event.h"
#include "store/record.h"

void
cdr_require_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not be null", name)));
}

CdrMaker
cdr_maker(FunctionCallInfo fcinfo, int argument)
{
	CdrMaker maker;

	cdr_require_argument(fcinfo, argument, "reason");
	maker.reason = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (maker.reason[strspn(maker.reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be empty"),
				 errhint("It is kept in the log, for those who ask later.")));
	maker.current_user = GetUserNameFromId(GetUserId(), false);
	maker.session_user = GetUserNameFromId(GetSessionUserId(), false);
	return maker;
}

/* Seconds since 1970, and the microseconds behind them. */
static int64
unix_seconds(TimestampTz time, int32 *microseconds)
{
	int64 seconds = time / USECS_PER_SEC;

	*microseconds = (int32) (time % USECS_PER_SEC);
	if (*microseconds < 0)
	{
		*microseconds += USECS_PER_SEC;
		seconds--;
	}
	return seconds +
		   (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
}

void
cdr_made_append_time(StringInfo body, TimestampTz time)
{
	int32 microseconds;
	int64 seconds = unix_seconds(time, &microseconds);

	if (!cdr_timestamp_print_unix(seconds, microseconds * 1000, body))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("a time is out of range")));
}

bool
cdr_made_can_say(TimestampTz time)
{
	TimestampTz	   read;
	StringInfoData text;
	int32		   microseconds;
	int64		   seconds;

	if (TIMESTAMP_NOT_FINITE(time))
		return false;
	seconds = unix_seconds(time, &microseconds);
	initStringInfo(&text);
	if (!cdr_timestamp_print_unix(seconds, microseconds * 1000, &text))
		return false;
	/* without its quotes */
	text.data[text.len - 1] = '\0';
	return cdr_timestamp_read(text.data + 1, &read) && read == time;
}

void
cdr_said_append(StringInfo body, CdrCorrectableType type, const CdrSaid *said)
{
	switch (type)
	{
		case CDR_CORRECT_AS_TIME:
			cdr_made_append_time(body, said->time);
			break;
		case CDR_CORRECT_AS_TEXT:
			escape_json(body, said->text);
			break;
		case CDR_CORRECT_AS_NUMBER:
			appendStringInfo(body, INT64_FORMAT, said->number);
			break;
	}
}

static void
append_made_text(StringInfo body, const char *key, const char *text)
{
	appendStringInfo(body, ",\"%s\":", key);
	escape_json(body, text);
}

void
cdr_made_begin(StringInfo body, const char *type, const char *call_id,
			   TimestampTz time)
{
	initStringInfo(body);
	appendStringInfo(body, "{\"eventType\":\"%s\"", type);
	append_made_text(body, "callId", call_id);
	appendStringInfoString(body, ",\"timestamp\":");
	cdr_made_append_time(body, time);
}

/*
 * What makes the event unlike any other: the same may be said again, and then it
 * counts again.
 */
static void
append_nonce(StringInfo body)
{
	Datum id = DirectFunctionCall1(
		uuid_out, DirectFunctionCall1(gen_random_uuid, (Datum) 0));

	append_made_text(body, "nonce", DatumGetCString(id));
}

void
cdr_made_end(StringInfo body, const CdrMaker *maker, CdrEvent *event)
{
	CdrEventOptions options = cdr_event_options();
	CdrMessage	   *message = palloc0(sizeof(CdrMessage));

	append_made_text(body, "reason", maker->reason);
	append_made_text(body, "currentUser", maker->current_user);
	append_made_text(body, "sessionUser", maker->session_user);
	append_nonce(body);
	appendStringInfoChar(body, '}');

	message->body = body->data;
	message->body_length = body->len;
	message->body_size = body->len;
	message->property_time = CDR_NO_TIME;
	message->received_at = GetCurrentTimestamp();
	message->of_function = true;
	options.mappings = NULL;
	if (!cdr_event_parse_json(message, &options, event))
		cdr_throw(event->reason);
}

void
cdr_made_record(CdrEvent *events, int count)
{
	CdrJob job;

	cdr_job_init(&job, events, count);
	cdr_record_events(job.events, job.nevents, CDR_PARTLY_NEW, &job.recorded);
	if (job.recorded.events != count)
		ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
						errmsg("events were not recorded"),
						errdetail("A trigger on table \"call_events\" has "
								  "dropped them.")));
}
