/*-------------------------------------------------------------------------
 *
 * event.c
 *	  Bytes to a typed event: what all forms of the wire have in common.
 *
 * form.c has the body read into fields, by whichever form it has; here the
 * event is made of them.
 * Nothing here throws: a message that is no event is a value, the reason, and
 * the caller decides.
 *
 * This file knows neither broker nor SPI, and compiles without the server
 * (FRONTEND): so the fuzz target runs exactly this code.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/fault.h"
#include "base/identity.h"
#include "event/content.h"
#include "event/event.h"
#include "event/fields.h"
#include "event/form.h"
#include "event/number.h"
#include "event/unreadable.h"

/*
 * Whom a web session calls.  It is talked to from its start on, and nobody
 * says that it was answered.
 */
#define WEB_SESSION_CALLEE "ai-pipeline"

/*
 * The types that shape a call; all others are only logged and counted.  So are
 * those that a function makes where they come from anybody else.
 */
static const struct
{
	const char	*type;
	CdrEventKind kind;
	bool		 of_function;
} kinds[] = {
	{"call.started", CDR_CALL_STARTED, false},
	{"call.ringing", CDR_CALL_RINGING, false},
	{"call.answered", CDR_CALL_ANSWERED, false},
	{"call.ended", CDR_CALL_ENDED, false},
	{"user.identified.for_call", CDR_USER_IDENTIFIED, false},
	{"user.created.for_call", CDR_USER_IDENTIFIED, false},
	{"call.recording.available", CDR_RECORDING_AVAILABLE, false},
	{CDR_CORRECTED_TYPE, CDR_CALL_CORRECTED, true},
	{CDR_WITHDRAWN_TYPE, CDR_CALL_CORRECTED, true},
	{CDR_CLOSED_TYPE, CDR_CALL_CLOSED, true},
};

/* Who ended the call, where the cause says so. */
static const struct
{
	const char *cause;
	const char *source;
} hangup_sources[] = {
	{"normal_clearing_by_user", "user"},
	{"busy", "user"},
	{"user_busy", "user"},
	{"terminated_by_request", "system"},
	{"system_terminated", "system"},
	{"workflow_hangup", "system"},
	{"network_failure", "network"},
};

static const char *
hangup_source_of(const char *cause)
{
	for (int i = 0; cause != NULL && i < (int) lengthof(hangup_sources); i++)
	{
		if (strcmp(hangup_sources[i].cause, cause) == 0)
			return hangup_sources[i].source;
	}
	return NULL;
}

static void
set_contact_id(CdrEvent *event, int64 contact_id)
{
	event->contact_id = contact_id;
	event->has_contact_id = contact_id != 0;
}

/* The status of a final response: 200 to 699; 0: none. */
static int
sip_status_of(int64 status)
{
	return status >= CDR_SIP_STATUS_FIRST && status <= CDR_SIP_STATUS_LAST
			   ? (int) status
			   : 0;
}

static void
make_call_started(const CdrFields *fields, const CdrEventOptions *options,
				  CdrEvent *event)
{
	if (fields->from != NULL)
		event->caller_number = cdr_number_from_uri(fields->from);
	if (fields->to != NULL)
		event->callee_number = cdr_number_from_uri(fields->to);
	event->direction = fields->direction;
	if (event->direction == NULL)
		event->direction =
			cdr_number_direction(event->caller_number, event->callee_number,
								 options->extension_digits);
	event->trunk = fields->trunk;
	event->user_id = fields->matched_user_id;
	set_contact_id(event, fields->matched_contact_id);
	event->answers = event->callee_number != NULL &&
					 strcmp(event->callee_number, WEB_SESSION_CALLEE) == 0;
}

/* What the event's type makes of its fields. */
static void
make_kind(const CdrFields *fields, const CdrEventOptions *options,
		  CdrEvent *event)
{
	for (int i = 0; event->type != NULL && i < (int) lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].type, event->type) == 0 &&
			kinds[i].of_function == event->message->of_function)
			event->kind = kinds[i].kind;
	}

	switch (event->kind)
	{
		case CDR_CALL_STARTED:
			make_call_started(fields, options, event);
			break;
		case CDR_USER_IDENTIFIED:
			event->user_id = fields->user_id;
			set_contact_id(event, fields->contact_id);
			break;
		case CDR_CALL_ENDED:
			event->hangup_cause = fields->reason;
			event->hangup_source = fields->hangup_source;
			if (event->hangup_source == NULL)
				event->hangup_source = hangup_source_of(event->hangup_cause);
			event->sip_status = sip_status_of(fields->sip_status);
			break;
		case CDR_RECORDING_AVAILABLE:
			event->recording_url = fields->recording_url;
			break;
		case CDR_CALL_ANSWERED:
			event->answers = true;
			break;
		case CDR_CALL_CORRECTED:
		case CDR_CALL_CLOSED:
			event->corrected = cdr_correction_read(event->message->body,
												   event->message->body_length,
												   &event->closed_at);
			break;
		case CDR_CALL_RINGING:
		case CDR_OTHER:
			break;
	}
}

/* What every event has. */
static void
make_common(const CdrFields *fields, CdrEvent *event)
{
	const CdrMessage *message = event->message;

	event->type = fields->type;
	if (event->type == NULL && message->routing_key != NULL &&
		message->routing_key[0] != '\0')
		event->type = message->routing_key;
	event->trace_id = fields->trace_id;
	event->tenant_id = fields->tenant_id;
	if (fields->call_id != NULL)
		event->call_id = fields->call_id;

	event->is_json = fields->is_json;
	event->needs_properties = fields->needs_properties;
	event->time_unread = fields->time == CDR_NO_TIME && fields->time_unread;
	if (fields->time != CDR_NO_TIME)
	{
		event->time = fields->time;
		event->time_source = CDR_TIME_OF_BODY;
	}
	else if (message->property_time != CDR_NO_TIME)
	{
		event->time = message->property_time;
		event->time_source = CDR_TIME_OF_PROPERTY;
	}
	if (message->of_function)
		event->time_source = CDR_TIME_OF_FUNCTION;
}

/* Whatever the form: what is too large is not looked at. */
static const CdrReason *
check_size(const CdrMessage *message, const CdrEventOptions *options)
{
	if (message->body_size <= options->max_event_size)
		return NULL;
	return cdr_no_event(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						psprintf("event of " UINT64_FORMAT
								 " bytes is larger than "
								 "cdr_service.max_event_size (%zu bytes)",
								 message->body_size, options->max_event_size));
}

/* What a message says; NULL, or why it is no event. */
static const CdrReason *
read_message(const CdrMessage *message, const CdrEventOptions *options,
			 bool known_json, CdrFields *fields)
{
	const CdrReason *reason = check_size(message, options);
	CdrContent		 content;

	if (reason != NULL)
		return reason;
	if (known_json)
	{
		cdr_content_of_json(message, &content);
		reason = cdr_form_read(&content, fields);
	}
	else
	{
		reason = cdr_content_open(message, options, &content);
		if (reason == NULL)
			reason = cdr_form_read(&content, fields);
		if (reason != NULL)
			return cdr_why_unreadable(message, reason);
	}
	/* what is inside of another body is not that of the message */
	fields->is_json &= content.body == message->body;
	return reason;
}

static bool
parse_event(const CdrMessage *message, const CdrEventOptions *options,
			bool known_json, CdrEvent *event)
{
	CdrFields fields = {.time = CDR_NO_TIME};

	memset(event, 0, sizeof(CdrEvent));
	event->message = message;
	event->call_id = "";
	event->time = message->received_at;
	event->time_source = CDR_TIME_OF_RECEIPT;
	if (message->id != NULL)
		event->id = *message->id;
	else
		cdr_identity_of(message->message_id, message->message_id_length,
						message->body, message->body_length, &event->id,
						&event->digest);

	event->reason = read_message(message, options, known_json, &fields);
	if (event->reason != NULL)
		return false;

	CDR_FAULT("parse");
	make_common(&fields, event);
	if (strlen(event->call_id) > CDR_CALL_ID_MAX)
		event->reason =
			cdr_no_event(ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
						 psprintf("call id of %zu bytes is longer than %d",
								  strlen(event->call_id), CDR_CALL_ID_MAX));
	else
		make_kind(&fields, options, event);
	return event->reason == NULL;
}

bool
cdr_event_parse(const CdrMessage *message, const CdrEventOptions *options,
				CdrEvent *event)
{
	return parse_event(message, options, false, event);
}

bool
cdr_event_parse_json(const CdrMessage *message, const CdrEventOptions *options,
					 CdrEvent *event)
{
	return parse_event(message, options, true, event);
}
