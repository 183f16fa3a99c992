/*-------------------------------------------------------------------------
 *
 * envelope.c
 *	  What the envelope of a CloudEvent adds to what its data say.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/identity.h"
#include "event/envelope.h"
#include "event/kinds.h"
#include "event/notes.h"
#include "event/timestamp.h"

static bool
is_hex(const char *text, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (!isxdigit((unsigned char) text[i]))
			return false;
	}
	return true;
}

/*
 * The trace of 00-TRACE-PARENT-FLAGS: 2, 32, 16 and 2 digits, and whatever a
 * later version adds.  NULL: it is none, or the one of only zeros, which means
 * none.
 */
static const char *
trace_of(const char *traceparent)
{
	static const int lengths[] = {2, 32, 16, 2};
	const char		*p = traceparent;
	const char		*trace;

	if (traceparent == NULL)
		return NULL;
	for (int i = 0; i < (int) lengthof(lengths); i++)
	{
		if (!is_hex(p, lengths[i]))
			return NULL;
		p += lengths[i];
		if (*p != '-' && (*p != '\0' || i < (int) lengthof(lengths) - 1))
			return NULL;
		p++;
	}
	trace = pnstrdup(traceparent + 3, 32);
	return strspn(trace, "0") == 32 ? NULL : trace;
}

/*
 * The type: one that shapes a call, as the envelope says or else the data (many
 * envelopes have a type that is always the same); else that of the envelope.
 */
static const char *
type_of(const CdrCloudEvent *event, const CdrFields *fields)
{
	const char *type = cdr_event_shaping_type(event->type);

	if (type == NULL && fields->type != NULL)
		type = cdr_event_shaping_type(fields->type);
	return type == NULL ? event->type : type;
}

/* The call that an envelope names; a subject may be anything else. */
static const char *
call_of(const CdrCloudEvent *event)
{
	if (event->call_id != NULL)
		return event->call_id;
	if (event->subject != NULL && strlen(event->subject) <= CDR_CALL_ID_MAX)
		return event->subject;
	return NULL;
}

const pg_uuid_t *
cdr_cloudevent_identity(const CdrCloudEvent *event)
{
	pg_uuid_t *identity = palloc(sizeof(pg_uuid_t));

	cdr_identity_of_cloudevent(event->source, event->id, identity);
	return identity;
}

/* An attribute stands in the body, or in a header of its prefix. */
static void
note_attribute(const CdrCloudEvent *event, CdrNotes *notes, CdrField field,
			   const char *name, const char *said, const char *note)
{
	if (note == NULL)
		note = "attribute of a CloudEvent";
	if (event->prefix == NULL)
		cdr_notes_field(notes, field, psprintf("/%s", name), said, note);
	else
		cdr_notes_elsewhere(notes, field,
							psprintf("header %s%s", event->prefix, name), said,
							note);
}

/* The members of an envelope in the body that are no fields of their own. */
static void
note_envelope(const CdrCloudEvent *event, CdrNotes *notes)
{
	static const char *const places[] = {
		"/specversion",			"/type", "/source", "/id", "/datacontenttype",
		"/datacontentencoding", "/time", NULL};

	for (int i = 0; event->prefix == NULL && places[i] != NULL; i++)
		cdr_notes_read(notes, places[i]);
	/* of an object, what is in it counts; Base64 was read as a whole, if it was */
	if (event->prefix == NULL && !event->data.known_json &&
		notes->text.form != CDR_FORM_NONE)
		cdr_notes_read(notes, event->data_place);
}

static void
note_type(const CdrCloudEvent *event, const CdrFields *fields)
{
	if (fields->notes != NULL &&
		(cdr_event_shaping_type(event->type) != NULL ||
		 fields->type == event->type))
		note_attribute(event, fields->notes, CDR_FIELD_TYPE, "type",
					   event->type, NULL);
}

/* Notes the call that it names, and its trace. */
static void
note_keys(const CdrCloudEvent *event, CdrNotes *notes, bool call, bool trace)
{
	if (call)
		note_attribute(event, notes, CDR_FIELD_CALL_ID,
					   event->call_id != NULL ? "callid" : "subject",
					   call_of(event), NULL);
	if (!trace)
		return;
	if (event->is_plain_trace)
		cdr_notes_elsewhere(notes, CDR_FIELD_TRACE_ID, "header traceparent",
							event->traceparent, NULL);
	else
		note_attribute(event, notes, CDR_FIELD_TRACE_ID, "traceparent",
					   event->traceparent, NULL);
}

void
cdr_cloudevent_add(const CdrCloudEvent *event, CdrFields *fields)
{
	TimestampTz time = CDR_NO_TIME;
	bool		unread = event->time_unread;
	CdrNotes   *notes = fields->notes;

	if (event->time != NULL)
		unread = !cdr_timestamp_read(event->time, &time);
	if (time != CDR_NO_TIME)
		fields->time = time;
	fields->time_unread |= unread;
	fields->type = type_of(event, fields);
	if (notes != NULL)
	{
		note_envelope(event, notes);
		note_type(event, fields);
		note_keys(event, notes,
				  fields->call_id == NULL && call_of(event) != NULL,
				  fields->trace_id == NULL && event->traceparent != NULL);
		/* one that is not set gives way to what the data say */
		if ((event->time != NULL || event->time_unread) &&
			fields->time == time)
			note_attribute(event, notes, CDR_FIELD_TIME, "time", event->time,
						   NULL);
	}
	if (fields->call_id == NULL)
		fields->call_id = call_of(event);
	if (fields->trace_id == NULL)
		fields->trace_id = trace_of(event->traceparent);
	fields->identity = cdr_cloudevent_identity(event);
}
