/*-------------------------------------------------------------------------
 *
 * protobuf.c
 *	  The Protobuf form of events.
 *
 * No schema is compiled in and no tree is built: the fields that are read have
 * numbers up to 9, whatever the message, and one pass over the bytes notes
 * where the last of each stands.  What they mean is decided after that, for
 * the type may come last.
 *
 * Unknown fields are stepped over, and so are known numbers with another wire
 * type.  Of a repeated scalar the last one counts, also if it is empty;
 * repeated messages are merged, which equals reading the concatenation of
 * their bytes.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "event/json.h"
#include "event/notes.h"
#include "event/protobuf.h"
#include "event/protobuf_wire.h"
#include "event/timestamp.h"

/* The highest number of a field that is read. */
#define PROTO_NUMBER_MAX 9

/* One message: of each field that can be read, the last. */
typedef struct ProtoMessage
{
	CdrProtoSpan self;
	CdrProtoSpan bytes[PROTO_NUMBER_MAX + 1];  /* LEN */
	uint64		 varint[PROTO_NUMBER_MAX + 1]; /* VARINT */
	uint32		 count[PROTO_NUMBER_MAX + 1];  /* how often LEN */
} ProtoMessage;

/* The first thing that was wrong ends it: all else then reads nothing. */
typedef struct ProtoReader
{
	const CdrReason *reason;
	CdrFields		*fields;
} ProtoReader;

/* A type with a message of its own; all others are GenericEvents. */
typedef struct ProtoLayout
{
	const char *type;
	int			call_id; /* number of the field; 0: it has none */
	int			time;
	int			tenant;
	void (*read)(ProtoReader *reader, const ProtoMessage *event);
} ProtoLayout;

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

static void
set_malformed(ProtoReader *reader, const CdrProtoCursor *cursor)
{
	if (cursor->too_deep)
		reader->reason =
			cdr_no_event(ERRCODE_STATEMENT_TOO_COMPLEX,
						 psprintf("event nests groups deeper than %d levels",
								  CDR_PROTO_GROUPS_MAX));
	else
		reader->reason = cdr_no_event(
			ERRCODE_INVALID_BINARY_REPRESENTATION,
			psprintf("event is not Protobuf: %s", cursor->problem));
}

/* Notes the last of each field; what is no message leaves an empty one. */
static void
read_message(ProtoReader *reader, CdrProtoSpan bytes, ProtoMessage *message)
{
	CdrProtoCursor cursor = cdr_proto_cursor(bytes);
	CdrProtoField  field;

	memset(message, 0, sizeof(ProtoMessage));
	message->self = bytes;
	while (cdr_proto_next(&cursor, &field))
	{
		if (field.number > PROTO_NUMBER_MAX)
			continue;
		if (field.type == CDR_PROTO_LEN)
		{
			message->bytes[field.number] = field.bytes;
			message->count[field.number]++;
		}
		else if (field.type == CDR_PROTO_VARINT)
			message->varint[field.number] = field.value;
	}
	if (cursor.problem == NULL)
		return;
	if (reader->reason == NULL)
		set_malformed(reader, &cursor);
	memset(message, 0, sizeof(ProtoMessage));
}

/* The bytes of a message within another, all that there are of it. */
static CdrProtoSpan
all_bytes(const ProtoMessage *message, int number)
{
	CdrProtoCursor cursor = cdr_proto_cursor(message->self);
	CdrProtoField  field;
	unsigned char *joined;
	size_t		   length = 0;

	if (message->count[number] <= 1)
		return message->bytes[number];
	joined = palloc(message->self.length);
	while (cdr_proto_next(&cursor, &field))
	{
		if (field.number != (uint32) number || field.type != CDR_PROTO_LEN)
			continue;
		memcpy(joined + length, field.bytes.start, field.bytes.length);
		length += field.bytes.length;
	}
	return (CdrProtoSpan){joined, length};
}

static void
read_inner(ProtoReader *reader, const ProtoMessage *message, int number,
		   ProtoMessage *inner)
{
	read_message(reader, all_bytes(message, number), inner);
}

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

/* Is it UTF-8, but for NULs? */
static bool
is_utf8_with_nul(CdrProtoSpan text)
{
	const char *p = (const char *) text.start;
	const char *end = p + text.length;

	while (p < end)
	{
		const char *nul = memchr(p, '\0', end - p);
		int			length = (int) ((nul == NULL ? end : nul) - p);

		if (pg_encoding_verifymbstr(PG_UTF8, p, length) != length)
			return false;
		p += length + 1;
	}
	return true;
}

static bool
is_utf8(CdrProtoSpan text)
{
	return pg_encoding_verifymbstr(PG_UTF8, (const char *) text.start,
								   (int) text.length) == (int) text.length;
}

/* Is a string text?  If not, there is a reason then. */
static bool
check_text(ProtoReader *reader, const ProtoMessage *message, int number)
{
	CdrProtoSpan text = message->bytes[number];

	if (reader->reason != NULL)
		return false;
	if (text.length == 0 || is_utf8(text))
		return true;
	if (is_utf8_with_nul(text))
		reader->reason = cdr_no_event(
			ERRCODE_UNTRANSLATABLE_CHARACTER,
			psprintf("event has a NUL in string field %d", number));
	else
		reader->reason = cdr_no_event(
			ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
			psprintf("event is not valid UTF-8 in string field %d", number));
	return false;
}

/*
 * A copy of a string; NULL where there is none, an empty one, or one that is no
 * text: that costs the field, not the event.
 */
static const char *
text_of(const ProtoMessage *message, int number)
{
	CdrProtoSpan text = message->bytes[number];
	char		*copy;

	if (text.length == 0 || !is_utf8(text))
		return NULL;
	copy = palloc(text.length + 1);
	memcpy(copy, text.start, text.length);
	copy[text.length] = '\0';
	return copy;
}

/* The same of a string that says which event it is: it must be text. */
static const char *
key_of(ProtoReader *reader, const ProtoMessage *message, int number)
{
	return check_text(reader, message, number) ? text_of(message, number)
											   : NULL;
}

/* Notes where a field stands, by the names that people are shown. */
static void
note_text(const ProtoReader *reader, CdrField field, const char *place,
		  const ProtoMessage *message, int number)
{
	CdrProtoSpan text = message->bytes[number];

	if (reader->fields->notes == NULL || text.length == 0)
		return;
	if (is_utf8(text))
		cdr_notes_field(reader->fields->notes, field, place,
						text_of(message, number), NULL);
	else
		cdr_notes_field(reader->fields->notes, field, place, NULL,
						"is not valid UTF-8");
}

/* A string that costs only itself, noted. */
static const char *
field_of(const ProtoReader *reader, CdrField field, const char *place,
		 const ProtoMessage *message, int number)
{
	note_text(reader, field, place, message, number);
	return text_of(message, number);
}

/* int32, which may have been written with all of 64 bits; 0: none. */
static int32
int32_of(const ProtoMessage *message, int number)
{
	return (int32) (uint32) message->varint[number];
}

/* A contact; 0: none. */
static int32
contact_of(const ProtoReader *reader, CdrField field, const char *place,
		   const ProtoMessage *message)
{
	int32 id = int32_of(message, 1);

	if (id != 0 && reader->fields->notes != NULL)
		cdr_notes_field(reader->fields->notes, field, place,
						psprintf("%d", id), NULL);
	return id;
}

static void
note_time(const CdrFields *fields)
{
	cdr_notes_field(fields->notes, CDR_FIELD_TIME, "/timestamp", NULL, NULL);
}

static TimestampTz
proto_time(ProtoReader *reader, const ProtoMessage *message, int number)
{
	ProtoMessage time;
	TimestampTz	 result;

	read_inner(reader, message, number, &time);
	if (message->count[number] > 0)
		note_time(reader->fields);
	if (!cdr_timestamp_from_unix((int64) time.varint[1], int32_of(&time, 2),
								 &result))
	{
		reader->fields->time_unread = true;
		return CDR_NO_TIME;
	}
	return result;
}

/* ------------------------------------------------------------------------
 * Events, by type
 * ------------------------------------------------------------------------
 */

#define DIALPLAN "/dialplanResolution"

static void
read_call_started(ProtoReader *reader, const ProtoMessage *event)
{
	CdrFields	*fields = reader->fields;
	ProtoMessage dialplan;
	ProtoMessage user;
	ProtoMessage contact;

	read_inner(reader, event, 7, &dialplan);
	read_inner(reader, &dialplan, 4, &user);
	fields->from = field_of(reader, CDR_FIELD_FROM, "/fromUri", event, 4);
	fields->to = field_of(reader, CDR_FIELD_TO, "/toUri", event, 5);
	fields->matched_user_id = field_of(reader, CDR_FIELD_MATCHED_USER,
									   DIALPLAN "/matchedUser/id", &user, 1);
	read_inner(reader, &dialplan, 5, &contact);
	fields->matched_contact_id =
		contact_of(reader, CDR_FIELD_MATCHED_CONTACT,
				   DIALPLAN "/matchedContact/id", &contact);
	fields->tenant_id = field_of(reader, CDR_FIELD_TENANT_ID,
								 DIALPLAN "/matchedUser/tenantId", &user, 3);
	if (fields->tenant_id == NULL)
		fields->tenant_id = field_of(reader, CDR_FIELD_TENANT_ID,
									 DIALPLAN "/tenantId", &dialplan, 2);
}

static void
read_user_identified(ProtoReader *reader, const ProtoMessage *event)
{
	CdrFields	*fields = reader->fields;
	ProtoMessage user;
	ProtoMessage contact;

	read_inner(reader, event, 5, &user);
	fields->user_id = field_of(reader, CDR_FIELD_USER, "/user/id", &user, 1);
	fields->tenant_id =
		field_of(reader, CDR_FIELD_TENANT_ID, "/user/tenantId", &user, 3);
	read_inner(reader, event, 6, &contact);
	fields->contact_id =
		contact_of(reader, CDR_FIELD_CONTACT, "/contact/id", &contact);
}

static void
read_call_ended(ProtoReader *reader, const ProtoMessage *event)
{
	reader->fields->reason =
		field_of(reader, CDR_FIELD_REASON, "/reason", event, 5);
}

static void
read_recording(ProtoReader *reader, const ProtoMessage *event)
{
	reader->fields->recording_url =
		field_of(reader, CDR_FIELD_RECORDING, "/recordingUri", event, 5);
	if (reader->fields->recording_url == NULL)
		reader->fields->recording_url =
			field_of(reader, CDR_FIELD_RECORDING, "/publicUrl", event, 6);
}

static const ProtoLayout layouts[] = {
	{"call.started", 3, 6, 0, read_call_started},
	{"call.ended", 3, 4, 0, read_call_ended},
	{"call.recording.available", 3, 4, 0, read_recording},
	{"user.identified.for_call", 3, 4, 0, read_user_identified},
	{"user.created.for_call", 3, 4, 0, read_user_identified},
	{"acoustic.mood.shifted", 3, 4, 0, NULL},
	{"cognitive.map.updated", 0, 4, 0, NULL},
	{"media.generation.completed", 0, 9, 4, NULL},
	{"media.generation.failed", 0, 9, 4, NULL},
};

static void
read_layout(ProtoReader *reader, const ProtoLayout *layout,
			const ProtoMessage *event)
{
	CdrFields *fields = reader->fields;

	/* number 0 is that of no field, and so nothing stands there */
	fields->call_id = key_of(reader, event, layout->call_id);
	fields->time = proto_time(reader, event, layout->time);
	note_text(reader, CDR_FIELD_CALL_ID, "/callId", event, layout->call_id);
	fields->tenant_id = field_of(reader, CDR_FIELD_TENANT_ID, "/tenantId",
								 event, layout->tenant);
	if (layout->read != NULL)
		layout->read(reader, event);
}

/* What says which event it is, in all messages. */
static void
note_key(const ProtoReader *reader, const ProtoMessage *event)
{
	note_text(reader, CDR_FIELD_TYPE, "/eventType", event, 1);
	note_text(reader, CDR_FIELD_TRACE_ID, "/traceId", event, 2);
}

/* The JSON inside of a GenericEvent; its places are inside of that field. */
static void
read_payload(CdrProtoSpan json, CdrFields *payload)
{
	CdrNotes   *notes = payload->notes;
	const char *place = notes == NULL ? NULL : notes->place;

	if (notes != NULL)
		notes->place = psprintf("%s/payloadJson", place);
	(void) cdr_json_read((const char *) json.start, json.length, payload);
	if (notes != NULL)
		notes->place = place;
}

/*
 * GenericEvent: payload_json is read as a JSON event of that type; what is not
 * JSON says nothing.  Type, trace and time of the message around it go first.
 * Its tenant goes last, for producers send a constant there.
 */
static void
read_generic(ProtoReader *reader, const ProtoMessage *event, const char *type)
{
	CdrFields  *fields = reader->fields;
	CdrFields	payload = {.time = CDR_NO_TIME, .notes = fields->notes};
	TimestampTz time = proto_time(reader, event, 3);

	if (event->bytes[5].length > 0 && check_text(reader, event, 5))
		read_payload(event->bytes[5], &payload);
	note_key(reader, event);
	payload.type = fields->type;
	payload.time_unread |= fields->time_unread;
	if (fields->trace_id != NULL)
		payload.trace_id = fields->trace_id;
	if (time != CDR_NO_TIME)
	{
		payload.time = time;
		note_time(fields);
	}
	if (payload.tenant_id == NULL)
		payload.tenant_id =
			field_of(reader, CDR_FIELD_TENANT_ID, "/tenantId", event, 4);
	if (payload.call_id == NULL && strcmp(type, "call.answered") == 0)
	{
		payload.call_id = fields->trace_id;
		note_text(reader, CDR_FIELD_CALL_ID, "/traceId", event, 2);
	}
	*fields = payload;
}

/* Does the last field 3 hold a Timestamp and nothing else? */
static bool
has_time_in_3(const ProtoMessage *event)
{
	CdrProtoCursor cursor = cdr_proto_cursor(event->bytes[3]);
	CdrProtoField  field;

	while (cdr_proto_next(&cursor, &field))
	{
		if (field.type != CDR_PROTO_GROUP &&
			(field.type != CDR_PROTO_VARINT || field.number > 2))
			return false;
	}
	return event->count[3] > 0 && cursor.problem == NULL;
}

/* The layout of a type; NULL: GenericEvent, which any type can be. */
static const ProtoLayout *
layout_of(const char *type, const ProtoMessage *event)
{
	if (event->bytes[5].length > 0 && event->bytes[5].start[0] == '{' &&
		has_time_in_3(event))
		return NULL;
	for (int i = 0; i < (int) lengthof(layouts); i++)
	{
		if (strcmp(layouts[i].type, type) == 0)
			return &layouts[i];
	}
	return NULL;
}

const CdrReason *
cdr_protobuf_read(const char *body, size_t length, const char *type,
				  CdrFields *fields)
{
	CdrFields		   found = {.time = CDR_NO_TIME, .notes = fields->notes};
	ProtoReader		   reader = {NULL, &found};
	CdrProtoSpan	   bytes = {(const unsigned char *) body, length};
	ProtoMessage	   event;
	const ProtoLayout *layout;

	if (length == 0)
		return cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
							pstrdup("event is empty"));
	read_message(&reader, bytes, &event);
	found.type = key_of(&reader, &event, 1);
	found.trace_id = text_of(&event, 2);
	if (reader.reason != NULL)
		return reader.reason;
	if (found.type != NULL)
		type = found.type;
	if (type == NULL || type[0] == '\0')
		return cdr_no_event(
			ERRCODE_INVALID_PARAMETER_VALUE,
			pstrdup("event has neither a type nor a routing key"));

	layout = layout_of(type, &event);
	note_key(&reader, &event);
	if (found.notes != NULL)
		found.notes->layout = layout != NULL ? layout->type : "GenericEvent";
	if (layout != NULL)
		read_layout(&reader, layout, &event);
	else
		read_generic(&reader, &event, type);
	if (reader.reason == NULL)
		*fields = found;
	return reader.reason;
}

const CdrReason *
cdr_protobuf_layout(const char *body, size_t length, const char *type,
					const char **layout)
{
	ProtoReader		   reader = {NULL, NULL};
	CdrProtoSpan	   bytes = {(const unsigned char *) body, length};
	ProtoMessage	   event;
	const char		  *own_type;
	const ProtoLayout *found;

	*layout = NULL;
	read_message(&reader, bytes, &event);
	if (reader.reason != NULL)
		return reader.reason;
	own_type = key_of(&reader, &event, 1);
	if (own_type != NULL)
		type = own_type;
	if (reader.reason != NULL || type == NULL || type[0] == '\0')
		return NULL;
	found = layout_of(type, &event);
	*layout = found == NULL ? "" : found->type;
	return NULL;
}
