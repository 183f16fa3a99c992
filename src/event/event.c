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
#include "event/kinds.h"
#include "event/notes.h"
#include "event/number.h"
#include "event/unreadable.h"
#include "event/visible.h"

/*
 * Whom a web session calls.  It is talked to from its start on, and nobody
 * says that it was answered.
 */
#define WEB_SESSION_CALLEE "ai-pipeline"

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
	const char *end;

	if (cause == NULL)
		return NULL;
	end = cause + strlen(cause);
	cdr_trim(&cause, &end);
	for (int i = 0; i < (int) lengthof(hangup_sources); i++)
	{
		const char *known = hangup_sources[i].cause;

		if (strlen(known) == (size_t) (end - cause) &&
			memcmp(known, cause, end - cause) == 0)
			return hangup_sources[i].source;
	}
	return NULL;
}

static void
set_contact_id(CdrEventFact *fact, int64 contact_id)
{
	fact->contact_id = contact_id;
	fact->has_contact_id = contact_id != 0;
}

/* The status of a final response: 200 to 699; 0: none. */
static int
sip_status_of(int64 status)
{
	return status >= CDR_SIP_STATUS_FIRST && status <= CDR_SIP_STATUS_LAST
			   ? (int) status
			   : 0;
}

/* Facts of an event's own time. */
static CdrEventFact *
make_facts(CdrEvent *event, CdrEventKind kind, int count)
{
	CdrEventFact *facts = palloc0(count * sizeof(CdrEventFact));

	for (int i = 0; i < count; i++)
	{
		facts[i].kind = kind;
		facts[i].rank = event->time_source == CDR_TIME_OF_RECEIPT
							? CDR_RANK_GUESS
							: CDR_RANK_LIVE;
		facts[i].time = event->time;
		facts[i].tenant_id = event->tenant_id;
	}
	event->facts = facts;
	event->nfacts = count;
	return facts;
}

/* The facts that a mapping made. */
static void
take_facts(const CdrFields *fields, CdrEvent *event)
{
	for (int i = 0; i < fields->nfacts; i++)
	{
		CdrEventFact *fact = &fields->facts[i];

		if (fact->time != CDR_NO_TIME)
			continue;
		fact->time = event->time;
		if (event->time_source == CDR_TIME_OF_RECEIPT)
			fact->rank = CDR_RANK_GUESS;
	}
	event->facts = fields->facts;
	event->nfacts = fields->nfacts;
}

static void
make_started(const CdrFields *fields, const CdrEventOptions *options,
			 CdrEvent *event)
{
	const char *callee =
		fields->to != NULL ? cdr_number_from_uri(fields->to) : NULL;
	bool answers = callee != NULL && strcmp(callee, WEB_SESSION_CALLEE) == 0;
	CdrEventFact *fact = make_facts(event, CDR_CALL_STARTED, answers ? 2 : 1);

	fact->callee_number = callee;
	if (fields->from != NULL)
		fact->caller_number = cdr_number_from_uri(fields->from);
	fact->direction = fields->direction;
	if (fact->direction == NULL)
		fact->direction =
			cdr_number_direction(fact->caller_number, fact->callee_number,
								 options->extension_digits);
	fact->trunk = fields->trunk;
	fact->user_id = fields->matched_user_id;
	set_contact_id(fact, fields->matched_contact_id);
	if (answers)
		fact[1].kind = CDR_CALL_ANSWERED;
}

static void
make_ended(const CdrFields *fields, CdrEventFact *fact)
{
	fact->hangup_cause = fields->reason;
	fact->hangup_source = fields->hangup_source;
	if (fact->hangup_source == NULL)
		fact->hangup_source = hangup_source_of(fact->hangup_cause);
	fact->sip_status = sip_status_of(fields->sip_status);
}

/* What the event's type makes of its fields. */
static void
make_kind(const CdrFields *fields, const CdrEventOptions *options,
		  CdrEvent *event)
{
	CdrEventKind kind =
		cdr_event_kind(event->type, event->message->of_function);
	CdrEventFact *fact;

	if (kind == CDR_OTHER)
		return;
	if (kind == CDR_CALL_STARTED)
	{
		make_started(fields, options, event);
		return;
	}
	fact = make_facts(event, kind, 1);
	switch (kind)
	{
		case CDR_USER_IDENTIFIED:
			fact->user_id = fields->user_id;
			set_contact_id(fact, fields->contact_id);
			break;
		case CDR_CALL_ENDED:
			make_ended(fields, fact);
			break;
		case CDR_RECORDING_AVAILABLE:
			fact->recording_url = fields->recording_url;
			break;
		case CDR_CALL_CORRECTED:
		case CDR_CALL_CLOSED:
			event->corrected = cdr_correction_read(event->message->body,
												   event->message->body_length,
												   &event->closed_at);
			break;
		default:
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
	{
		event->type = message->routing_key;
		cdr_notes_elsewhere(fields->notes, CDR_FIELD_TYPE, "routing key", NULL,
							NULL);
	}
	event->trace_id = fields->trace_id;
	event->tenant_id = fields->tenant_id;
	if (fields->call_id != NULL)
		event->call_id = fields->call_id;

	event->is_json = fields->is_json;
	event->needs_properties = fields->needs_properties;
	event->mapping = fields->mapping;
	/* of several times, a mapping tells of one that another stands in for */
	event->time_unread = fields->time_unread && (fields->time == CDR_NO_TIME ||
												 fields->mapping != NULL);
	if (message->known_time_source != 0)
	{
		event->time = message->known_time;
		event->time_source = message->known_time_source;
	}
	else if (fields->time != CDR_NO_TIME)
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

/*
 * What could not be read because it is not quite JSON is read as what it means;
 * if there is more the matter with it, that is told of the body as it came.
 */
static const CdrReason *
read_form(CdrContent *content, const CdrEventOptions *options,
		  CdrFields *fields)
{
	const CdrReason *reason = cdr_form_read(content, options, fields);

	if (reason == NULL ||
		(reason->sqlerrcode != ERRCODE_INVALID_TEXT_REPRESENTATION &&
		 reason->sqlerrcode != ERRCODE_CHARACTER_NOT_IN_REPERTOIRE) ||
		!cdr_content_mend(content, options))
		return reason;
	cdr_notes_clear_fields(fields);
	return cdr_form_read(content, options, fields) == NULL ? NULL : reason;
}

/* What a message says; NULL, or why it is no event. */
static const CdrReason *
read_content(const CdrMessage *message, const CdrEventOptions *options,
			 bool known_json, CdrFields *fields, size_t *unpacked)
{
	const CdrReason *reason = message->refused;
	CdrContent		 content;

	if (reason == NULL)
		reason = check_size(message, options);
	if (reason != NULL)
		return reason;
	if (known_json)
		cdr_content_of_json(message, &content);
	else
		reason = cdr_content_open(message, options, &content);
	if (reason == NULL)
	{
		reason = read_form(&content, options, fields);
		if (reason != NULL && !known_json)
			reason = cdr_why_unreadable(&content, reason);
	}
	/* what is inside of another body is not that of the message */
	fields->is_json &= content.body == message->body;
	fields->needs_properties |=
		content.needs_properties || message->array != NULL;
	if (content.unpacked != NULL)
		*unpacked = content.length;
	/* whoever takes notes looks into it again */
	if (options->notes == NULL)
		cdr_content_close(&content);
	return reason;
}

static bool
parse_event(const CdrMessage *message, const CdrEventOptions *options,
			bool known_json, CdrEvent *event)
{
	CdrFields fields = {.time = CDR_NO_TIME, .notes = options->notes};

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

	event->reason =
		read_content(message, options, known_json || message->array != NULL,
					 &fields, &event->unpacked);
	if (event->reason != NULL)
		return false;

	CDR_FAULT("parse");
	make_common(&fields, event);
	if (strlen(event->call_id) > CDR_CALL_ID_MAX)
		event->reason =
			cdr_no_event(ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
						 psprintf("call id of %zu bytes is longer than %d",
								  strlen(event->call_id), CDR_CALL_ID_MAX));
	else if (fields.mapping != NULL)
		take_facts(&fields, event);
	else
		make_kind(&fields, options, event);
	if (event->reason == NULL && fields.identity != NULL)
		event->id = *fields.identity;
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
