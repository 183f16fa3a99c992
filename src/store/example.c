/*-------------------------------------------------------------------------
 *
 * example.c
 *	  An example of a mapping: a message, and what it says, field by field.
 *
 * An example is no delivery, so it has no time of receipt: a time that would be
 * that is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/properties.h"
#include "event/each.h"
#include "event/fields.h"
#include "event/timestamp.h"
#include "store/event_options.h"
#include "store/example.h"
#include "store/made_event.h"

/* Stands for the time of receipt. */
#define NO_RECEIPT ((TimestampTz) 0)

/* What can be set of a call, as mappings name it. */
static const struct
{
	CdrEventKind kind;
	const char	*name;
} sets[] = {
	{CDR_CALL_STARTED, "started"},
	{CDR_CALL_RINGING, "rang"},
	{CDR_CALL_ANSWERED, "answered"},
	{CDR_CALL_ENDED, "ended"},
	{CDR_USER_IDENTIFIED, "identified"},
	{CDR_RECORDING_AVAILABLE, "recording"},
};

/* The texts of facts. */
static const struct
{
	CdrEventKind kind;
	const char	*name;
	size_t		 offset;
} fact_texts[] = {
	{CDR_CALL_STARTED, "started.caller_number",
	 offsetof(CdrEventFact, caller_number)},
	{CDR_CALL_STARTED, "started.callee_number",
	 offsetof(CdrEventFact, callee_number)},
	{CDR_CALL_STARTED, "started.direction", offsetof(CdrEventFact, direction)},
	{CDR_CALL_STARTED, "started.trunk", offsetof(CdrEventFact, trunk)},
	{CDR_CALL_STARTED, "started.tenant_id", offsetof(CdrEventFact, tenant_id)},
	{CDR_CALL_STARTED, "started.user_id", offsetof(CdrEventFact, user_id)},
	{CDR_CALL_ENDED, "ended.hangup_cause",
	 offsetof(CdrEventFact, hangup_cause)},
	{CDR_CALL_ENDED, "ended.hangup_source",
	 offsetof(CdrEventFact, hangup_source)},
	{CDR_USER_IDENTIFIED, "identified.tenant_id",
	 offsetof(CdrEventFact, tenant_id)},
	{CDR_USER_IDENTIFIED, "identified.user_id",
	 offsetof(CdrEventFact, user_id)},
	{CDR_RECORDING_AVAILABLE, "recording.recording_url",
	 offsetof(CdrEventFact, recording_url)},
};

/* More than there are fields. */
#define FIELDS_MAX 64

/* Fields while they are collected. */
typedef struct Fields
{
	CdrExampleField *fields;
	int				 count;
} Fields;

/* ------------------------------------------------------------------------
 * What an event says
 * ------------------------------------------------------------------------
 */

static void
add_field(Fields *fields, const char *name, const char *value, bool of_set)
{
	Assert(fields->count < FIELDS_MAX);
	fields->fields[fields->count++] = (CdrExampleField){name, value, of_set};
}

/* A time as text; NULL: there is none but that of receipt. */
static const char *
text_of_time(TimestampTz time)
{
	StringInfoData text;

	if (time == CDR_NO_TIME || time == NO_RECEIPT)
		return NULL;
	initStringInfo(&text);
	cdr_made_append_time(&text, time);
	/* without its quotes */
	text.data[text.len - 1] = '\0';
	return text.data + 1;
}

static void
add_texts(Fields *fields, CdrEventKind kind, const CdrEventFact *fact)
{
	for (int i = 0; i < (int) lengthof(fact_texts); i++)
	{
		const char *value = NULL;

		if (fact_texts[i].kind != kind)
			continue;
		if (fact != NULL)
			value = *(const char *const *) ((const char *) fact +
											fact_texts[i].offset);
		add_field(fields, fact_texts[i].name, value, true);
	}
}

static void
add_numbers(Fields *fields, CdrEventKind kind, const char *set,
			const CdrEventFact *fact)
{
	if (kind == CDR_CALL_STARTED || kind == CDR_USER_IDENTIFIED)
		add_field(fields, psprintf("%s.contact_id", set),
				  fact != NULL && fact->has_contact_id
					  ? psprintf(INT64_FORMAT, fact->contact_id)
					  : NULL,
				  true);
	if (kind == CDR_CALL_ENDED)
		add_field(fields, psprintf("%s.sip_status", set),
				  fact != NULL && fact->sip_status != 0
					  ? psprintf("%d", fact->sip_status)
					  : NULL,
				  true);
}

static void
add_set(Fields *fields, CdrEventKind kind, const char *set,
		const CdrEventFact *fact)
{
	add_field(fields, set, fact != NULL ? "true" : NULL, false);
	add_field(fields, psprintf("%s.time", set),
			  fact != NULL ? text_of_time(fact->time) : NULL, true);
	add_field(fields, psprintf("%s.rank", set),
			  fact != NULL ? psprintf("%d", (int) fact->rank) : NULL, true);
	add_texts(fields, kind, fact);
	add_numbers(fields, kind, set, fact);
}

CdrExampleField *
cdr_example_fields(const CdrEvent *event, int *count)
{
	Fields fields = {palloc(FIELDS_MAX * sizeof(CdrExampleField)), 0};

	add_field(&fields, "mapping",
			  event->mapping == NULL ? NULL : event->mapping->name, false);
	add_field(&fields, "event_id",
			  DatumGetCString(
				  DirectFunctionCall1(uuid_out, UUIDPGetDatum(&event->id))),
			  false);
	add_field(&fields, "event_type", event->type, false);
	add_field(&fields, "event_time", text_of_time(event->time), false);
	add_field(&fields, "call_id",
			  event->call_id[0] == '\0' ? NULL : event->call_id, false);
	add_field(&fields, "trace_id", event->trace_id, false);
	add_field(&fields, "tenant_id", event->tenant_id, false);
	for (int i = 0; i < (int) lengthof(sets); i++)
		add_set(&fields, sets[i].kind, sets[i].name,
				cdr_event_fact(event, sets[i].kind));
	*count = fields.count;
	return fields.fields;
}

/* ------------------------------------------------------------------------
 * As JSON
 * ------------------------------------------------------------------------
 */

/* Appends a name, with what has to stand before it. */
static void
append_member_name(StringInfo json, const char *name)
{
	appendStringInfoString(json, json->len == 0 ? "{" : ", ");
	escape_json(json, name);
	appendStringInfoString(json, ": ");
}

static void
append_text_member(StringInfo json, const char *name, const char *text)
{
	if (text == NULL)
		return;
	append_member_name(json, name);
	escape_json(json, text);
}

/* A member whose value is JSON already. */
static void
append_json_member(StringInfo json, const char *name, const char *value)
{
	if (value == NULL)
		return;
	append_member_name(json, name);
	appendStringInfoString(json, value);
}

char *
cdr_example_expected(const CdrEvent *event)
{
	StringInfoData	 json;
	int				 count;
	CdrExampleField *fields = cdr_example_fields(event, &count);
	bool			 is_set = false;

	initStringInfo(&json);
	for (int i = 0; i < count; i++)
	{
		const CdrExampleField *field = &fields[i];

		if (!field->of_set)
			is_set = field->value != NULL;
		else if (!is_set)
			continue;
		append_member_name(&json, field->name);
		if (field->value == NULL)
			appendStringInfoString(&json, "null");
		else if (i + 1 < count && fields[i + 1].of_set && !field->of_set)
			appendStringInfoString(&json, field->value);
		else
			escape_json(&json, field->value);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

bool
cdr_example_agrees(const CdrExampleField *field, const CdrJsonMember *member)
{
	const char *expected = cdr_json_member_text(member);
	size_t		length = strlen(field->name);
	TimestampTz time;
	TimestampTz found;

	if (expected == NULL || field->value == NULL)
		return field->value == NULL && member->kind == CDR_JSON_NULL;
	if (strcmp(expected, field->value) == 0)
		return true;
	return length > 4 && strcmp(field->name + length - 4, "time") == 0 &&
		   cdr_timestamp_read(expected, &time) &&
		   cdr_timestamp_read(field->value, &found) && time == found;
}

/* ------------------------------------------------------------------------
 * The message
 * ------------------------------------------------------------------------
 */

/*
 * An object without its member "each", which has the place of the message in an
 * array, and with the first element all that stands around that; NULL: nothing is
 * left.
 */
static char *
without_place(const char *object)
{
	CdrJsonMembers members;
	StringInfoData json;

	if (object == NULL ||
		!cdr_json_members_read(object, strlen(object), &members))
		return NULL;
	initStringInfo(&json);
	for (int i = 0; i < members.count; i++)
	{
		const CdrJsonMember *member = &members.members[i];

		if (member->name != NULL && strcmp(member->name, "each") != 0)
			append_json_member(
				&json, member->name,
				pnstrdup(member->start, member->end - member->start));
	}
	if (json.len == 0)
		return NULL;
	appendStringInfoChar(&json, '}');
	return json.data;
}

char *
cdr_example_properties(const CdrMessage *message)
{
	StringInfoData json;
	bytea		  *id;
	char		  *properties = cdr_properties_json(message);

	initStringInfo(&json);
	append_text_member(&json, "routing_key", message->routing_key);
	append_text_member(&json, "exchange", message->exchange);
	append_text_member(&json, "content_type", message->content_type);
	append_text_member(&json, "content_encoding", message->content_encoding);
	append_text_member(&json, "type", message->type);
	append_text_member(&json, "each", message->array);
	if (message->message_id != NULL)
	{
		id = (bytea *) cstring_to_text_with_len(
			message->message_id, (int) message->message_id_length);
		append_text_member(&json, "message_id",
						   DatumGetCString(DirectFunctionCall1(
							   byteaout, PointerGetDatum(id))));
	}
	append_text_member(&json, "property_time",
					   text_of_time(message->property_time));
	append_json_member(&json, "headers", cdr_headers_json(message));
	append_json_member(&json, "properties",
					   message->array == NULL ? properties
											  : without_place(properties));
	if (json.len == 0)
		return NULL;
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* The members that properties of an example can have. */
static const struct
{
	const char *name;
	bool		is_object; /* else it is text */
} example_members[] = {
	{"routing_key", false},	 {"exchange", false},
	{"content_type", false}, {"content_encoding", false},
	{"type", false},		 {"each", false},
	{"message_id", false},	 {"property_time", false},
	{"headers", true},		 {"properties", true},
};

/* More of a value is not repeated in an error. */
#define SHOWN_MAX 100

static void
refuse_member(const CdrJsonMember *member, const char *must)
{
	int length = (int) (member->end - member->start);
	int shown = pg_mbcliplen(member->start, length, SHOWN_MAX);

	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("\"%s\" in the properties of an example must be %s",
						   member->name, must),
					errdetail("It is %.*s%s", shown, member->start,
							  shown < length ? "..." : ".")));
}

/* A number and a boolean are text, as they are in headers. */
static void
check_example_member(const CdrJsonMember *member)
{
	for (int i = 0;
		 member->name != NULL && i < (int) lengthof(example_members); i++)
	{
		if (strcmp(example_members[i].name, member->name) != 0)
			continue;
		if (member->kind == CDR_JSON_NULL)
			return;
		if (example_members[i].is_object && member->kind != CDR_JSON_OBJECT)
			refuse_member(member, "an object");
		if (!example_members[i].is_object &&
			cdr_json_member_text(member) == NULL)
			refuse_member(member, "text");
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in the properties of an example is unknown",
					member->name == NULL ? "" : member->name),
			 errhint("Members are: routing_key, exchange, content_type, "
					 "content_encoding, type, each, message_id, "
					 "property_time, headers, properties.")));
}

static const char *
example_text(const CdrJsonMembers *members, const char *name)
{
	return cdr_json_member_text(cdr_json_member(members, name));
}

/* A member that is an object, as it is written. */
static const char *
object_of(const CdrJsonMembers *members, const char *name)
{
	const CdrJsonMember *member = cdr_json_member(members, name);

	return member == NULL || member->kind != CDR_JSON_OBJECT
			   ? NULL
			   : pnstrdup(member->start, member->end - member->start);
}

static void
take_properties(CdrMessage *message, const CdrJsonMembers *members)
{
	const char *id = example_text(members, "message_id");
	const char *time = example_text(members, "property_time");

	message->routing_key = example_text(members, "routing_key");
	message->exchange = example_text(members, "exchange");
	message->content_type = example_text(members, "content_type");
	message->content_encoding = example_text(members, "content_encoding");
	message->type = example_text(members, "type");
	message->array = example_text(members, "each");
	message->headers = object_of(members, "headers");
	message->other_properties = object_of(members, "properties");
	if (id != NULL)
	{
		bytea *bytes =
			DatumGetByteaPP(DirectFunctionCall1(byteain, CStringGetDatum(id)));

		message->message_id = VARDATA_ANY(bytes);
		message->message_id_length = VARSIZE_ANY_EXHDR(bytes);
	}
	if (time != NULL && !cdr_timestamp_read(time, &message->property_time))
		refuse_member(cdr_json_member(members, "property_time"), "a time");
}

CdrMessage *
cdr_example_message(const char *body, size_t length, const char *properties)
{
	CdrMessage	  *message = palloc0(sizeof(CdrMessage));
	CdrJsonMembers members;

	message->body = body;
	message->body_length = message->body_size = length;
	message->property_time = CDR_NO_TIME;
	message->received_at = NO_RECEIPT;
	if (properties == NULL)
		return message;
	if (!cdr_json_members_read(properties, strlen(properties), &members))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("properties of an example must be a JSON "
							   "object")));
	for (int i = 0; i < members.count; i++)
		check_example_member(&members.members[i]);
	take_properties(message, &members);
	return message;
}

bool
cdr_example_read(const CdrMessage *message, CdrEvent *event)
{
	CdrEventOptions options = cdr_event_options();
	CdrEach			each;

	options.max_event_size = SIZE_MAX;
	if (!cdr_each_asked(message, &options) ||
		!cdr_each_split(message, &options, false, &each))
		return cdr_event_parse(message, &options, event);
	memset(event, 0, sizeof(CdrEvent));
	event->message = message;
	event->reason =
		each.refused != NULL
			? each.refused
			: cdr_no_event(
				  ERRCODE_INVALID_PARAMETER_VALUE,
				  psprintf("message is taken apart into %d events: an "
						   "example is one of them, with \"each\" in "
						   "its properties",
						   each.count));
	return false;
}
