/*-------------------------------------------------------------------------
 *
 * cloudevents.c
 *	  CloudEvents: what the envelope says of an event, and where its data are.
 *
 * The envelope is a JSON object around the data (structured mode), or stands in
 * the headers beside them (binary mode).  Headers are read as the JSON that they
 * are stored as, so that a live message and one out of a table are read alike.
 *
 * AMQP 0-9-1 has no official binding, so the names of the headers have one of
 * several prefixes, by the library that wrote them.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/base64.h"

#include "base/properties.h"
#include "event/amqp10.h"
#include "event/cloudevents.h"
#include "event/json.h"
#include "event/json_members.h"
#include "event/kinds.h"

/* How content types of CloudEvents begin, and those of batches go on. */
#define MEDIA_TYPE "application/cloudevents"
#define BATCH	   "-batch"

/* More than this of a word of theirs is not repeated in a message. */
#define QUOTED_MAX 40

/* The header of W3C's Trace Context, as it is without any prefix. */
#define TRACEPARENT "traceparent"

/* The attributes that are read; the first of them must be there. */
typedef enum Attribute
{
	CE_SPECVERSION,
	CE_TYPE,
	CE_SOURCE,
	CE_ID,
	CE_SUBJECT,
	CE_TIME,
	CE_DATACONTENTTYPE,
	CE_DATACONTENTENCODING,
	CE_CALLID,
	CE_TRACEPARENT,
	CE_COUNT
} Attribute;

#define CE_REQUIRED CE_SUBJECT

static const char *const attribute_names[CE_COUNT] = {
	"specversion", "type",	   "source",		  "id",
	"subject",	   "time",	   "datacontenttype", "datacontentencoding",
	"callid",	   TRACEPARENT};

static const char *const prefixes[] = {"ce-", "cloudEvents:", "cloudEvents_",
									   "ce_"};

/* Where each attribute stands, and what it says; NULL: nowhere, nothing. */
typedef struct Attributes
{
	const CdrJsonMember *members[CE_COUNT];
	const char			*texts[CE_COUNT];
} Attributes;

/* ------------------------------------------------------------------------
 * Attributes
 * ------------------------------------------------------------------------
 */

/*
 * Reads the texts of all members; of what is no text, or empty, there is none.
 * Without a member, what is there stays.
 */
static void
read_texts(Attributes *attributes)
{
	for (int i = 0; i < CE_COUNT; i++)
	{
		const char *text;

		if (attributes->members[i] == NULL)
			continue;
		text = cdr_json_member_text(attributes->members[i]);
		attributes->texts[i] = text == NULL || text[0] == '\0' ? NULL : text;
	}
}

/* The first attribute that must be there and is not; CE_REQUIRED: none. */
static int
first_missing(const Attributes *attributes)
{
	int i = 0;

	while (i < CE_REQUIRED && attributes->texts[i] != NULL)
		i++;
	return i;
}

/* Is there a time that is no text?  (null is none, and so is an empty one.) */
static bool
has_unreadable_time(const Attributes *attributes)
{
	const CdrJsonMember *member = attributes->members[CE_TIME];

	return member != NULL && attributes->texts[CE_TIME] == NULL &&
		   member->kind != CDR_JSON_NULL &&
		   !(member->kind == CDR_JSON_STRING &&
			 member->end - member->start == strlen("\"\""));
}

/*
 * Is the version one whose attributes mean what they mean here?  A float of 1.0
 * is printed as 1.
 */
static bool
is_known_version(const char *version)
{
	return strncmp(version, "1.", 2) == 0 || strcmp(version, "1") == 0 ||
		   strcmp(version, "0.3") == 0;
}

/*
 * Takes what the attributes say.  Returns NULL, or why they are no envelope that
 * can be read.
 */
static const CdrReason *
take_attributes(const Attributes *attributes, CdrCloudEvent *event)
{
	const char *const *texts = attributes->texts;
	int				   missing = first_missing(attributes);

	if (missing < CE_REQUIRED)
		return cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
							psprintf("CloudEvent attribute %s is required",
									 attribute_names[missing]));
	if (!is_known_version(texts[CE_SPECVERSION]))
		return cdr_no_event(
			ERRCODE_FEATURE_NOT_SUPPORTED,
			pstrdup("CloudEvent has a specversion that is not supported"));
	event->type = texts[CE_TYPE];
	event->source = texts[CE_SOURCE];
	event->id = texts[CE_ID];
	event->subject = texts[CE_SUBJECT];
	event->call_id = texts[CE_CALLID];
	event->time = texts[CE_TIME];
	event->time_unread = has_unreadable_time(attributes);
	event->traceparent = texts[CE_TRACEPARENT];
	event->data.type = cdr_event_shaping_type(event->type);
	if (event->data.type == NULL)
		event->data.type = event->type;
	return NULL;
}

/* ------------------------------------------------------------------------
 * Structured mode
 * ------------------------------------------------------------------------
 */

bool
cdr_cloudevent_labelled(const CdrContent *content)
{
	/* (most are shorter) */
	return content->content_type != NULL &&
		   strlen(content->content_type) >= strlen(MEDIA_TYPE) &&
		   pg_strncasecmp(content->content_type, MEDIA_TYPE,
						  strlen(MEDIA_TYPE)) == 0;
}

/* What the content type says that is not read here; NULL: nothing. */
static const CdrReason *
check_label(const CdrContent *content)
{
	const char *rest;
	size_t		length;

	if (!cdr_cloudevent_labelled(content))
		return NULL;
	rest = content->content_type + strlen(MEDIA_TYPE);
	if (pg_strncasecmp(rest, BATCH, strlen(BATCH)) == 0)
		return cdr_no_event(ERRCODE_FEATURE_NOT_SUPPORTED,
							pstrdup("CloudEvents batches are not supported"));
	length = strcspn(rest, "; \t");
	if (length == 0 || rest[0] != '+' ||
		(length == strlen("+json") &&
		 pg_strncasecmp(rest, "+json", length) == 0))
		return NULL;
	return cdr_no_event(
		ERRCODE_FEATURE_NOT_SUPPORTED,
		length - 1 > QUOTED_MAX
			? pstrdup("CloudEvents event format is not supported")
			: psprintf("CloudEvents event format %.*s is not supported",
					   (int) length - 1, rest + 1));
}

/* Takes data that are bytes in Base64. */
static const CdrReason *
take_base64(const CdrJsonMember *member, CdrContent *data)
{
	char *text = NULL;
	char *bytes = NULL;
	int	  length = -1;

	if (member->kind == CDR_JSON_STRING)
		text = cdr_json_member_text(member);
	if (text != NULL)
	{
		int room = pg_b64_dec_len((int) strlen(text));

		bytes = palloc(room + 1);
		/* (of char until 17, of uint8 since) */
		length = pg_b64_decode(text, (int) strlen(text), (void *) bytes, room);
		pfree(text);
	}
	if (length < 0)
		return cdr_no_event(
			ERRCODE_INVALID_PARAMETER_VALUE,
			pstrdup("data of a CloudEvent are not valid Base64"));
	data->body = bytes;
	data->length = length;
	return NULL;
}

/*
 * Is data, of version 0.3, Base64?  There the attribute datacontentencoding says
 * so, where later versions have data_base64.
 */
static bool
is_base64_of_old(const Attributes *attributes, const CdrJsonMember *data)
{
	const char *encoding = attributes->texts[CE_DATACONTENTENCODING];

	return encoding != NULL && pg_strcasecmp(encoding, "base64") == 0 &&
		   data->kind == CDR_JSON_STRING &&
		   strcmp(attributes->texts[CE_SPECVERSION], "0.3") == 0;
}

/*
 * Finds the data: a JSON object is read as an event; no other JSON value, a
 * string that looks like an object included, says anything.
 */
static const CdrReason *
take_data(const CdrJsonMembers *members, const Attributes *attributes,
		  CdrCloudEvent *event)
{
	CdrContent			*content = &event->data;
	const CdrJsonMember *data = cdr_json_member(members, "data");
	const CdrJsonMember *base64 = cdr_json_member(members, "data_base64");

	if (data != NULL && data->kind == CDR_JSON_NULL)
		data = NULL;
	if (base64 != NULL && base64->kind == CDR_JSON_NULL)
		base64 = NULL;
	if (data != NULL && base64 != NULL)
		return cdr_no_event(
			ERRCODE_INVALID_PARAMETER_VALUE,
			pstrdup("CloudEvent has both data and data_base64"));
	content->content_type = attributes->texts[CE_DATACONTENTTYPE];
	if (base64 != NULL)
	{
		event->data_place = "/data_base64";
		return take_base64(base64, content);
	}
	if (data == NULL)
		return NULL;
	if (is_base64_of_old(attributes, data))
		return take_base64(data, content);
	if (data->kind == CDR_JSON_OBJECT)
	{
		content->body = data->start;
		content->length = data->end - data->start;
		content->known_json = true;
	}
	return NULL;
}

/*
 * May the name of a header have that word (in lower case) in it, in any case of
 * letters?  Costs little; false for sure, true perhaps.
 */
static bool
headers_mention(const CdrMessage *message, const char *word)
{
	CdrProperties properties;
	CdrBytes	  text;
	size_t		  length = strlen(word);

	if (message->headers != NULL)
		text = (CdrBytes){(const uint8 *) message->headers,
						  strlen(message->headers)};
	else if (cdr_properties_parse(message->properties,
								  message->properties_length, &properties))
		text = properties.headers;
	else
		return false;
	for (; text.length >= length; text.start++, text.length--)
	{
		if ((*text.start | 0x20) == word[0] &&
			pg_strncasecmp((const char *) text.start, word, length) == 0)
			return true;
	}
	return false;
}

/*
 * Reads the headers of a message, if a name in them may have that word in it.
 * The JSON that the members point into is theirs.
 */
static bool
read_headers(const CdrMessage *message, const char *word, char **json,
			 CdrJsonMembers *members)
{
	if (!cdr_has_headers(message) || !headers_mention(message, word))
		return false;
	*json = cdr_headers_json(message);
	return *json != NULL &&
		   cdr_json_members_read(*json, strlen(*json), members);
}

static void
free_headers(char *json, CdrJsonMembers *members)
{
	cdr_json_members_free(members);
	pfree(json);
}

/* What a header of Trace Context says; NULL: it is another. */
static const char *
plain_traceparent(const CdrJsonMember *member)
{
	if (member->name == NULL || pg_strcasecmp(member->name, TRACEPARENT) != 0)
		return NULL;
	return cdr_json_member_text(member);
}

/* Finds one beside an envelope that does not say. */
static const char *
find_plain_traceparent(const CdrMessage *message)
{
	CdrJsonMembers members;
	const char	  *found = NULL;
	char		  *json;

	if (!read_headers(message, TRACEPARENT, &json, &members))
		return NULL;
	for (int i = members.count; found == NULL && i-- > 0;)
		found = plain_traceparent(&members.members[i]);
	free_headers(json, &members);
	return found;
}

const CdrReason *
cdr_cloudevent_of_body(const CdrContent *content, CdrCloudEvent *event)
{
	size_t			 mark = cdr_json_mark(content->body, content->length);
	const char		*text = content->body + mark;
	size_t			 length = content->length - mark;
	const CdrReason *reason = check_label(content);
	CdrFields		 unused = {0};
	CdrJsonMembers	 members;
	Attributes		 attributes = {0};

	if (reason != NULL)
		return reason;
	memset(event, 0, sizeof(CdrCloudEvent));
	event->data.message = content->message;
	event->data_place = "/data";
	if (!cdr_json_members_read(text, length, &members))
		return cdr_json_read(text, length, &unused);
	for (int i = 0; i < CE_COUNT; i++)
	{
		const CdrJsonMember *member =
			cdr_json_member(&members, attribute_names[i]);

		/* those that say which event it is are strings, by the format */
		if (i < CE_REQUIRED && member != NULL &&
			member->kind != CDR_JSON_STRING)
			member = NULL;
		attributes.members[i] = member;
	}
	read_texts(&attributes);
	reason = take_attributes(&attributes, event);
	if (reason == NULL)
		reason = take_data(&members, &attributes, event);
	if (reason == NULL && event->traceparent == NULL)
	{
		event->traceparent = find_plain_traceparent(content->message);
		event->is_plain_trace = true;
	}
	cdr_json_members_free(&members);
	return reason;
}

/* ------------------------------------------------------------------------
 * Binary mode
 * ------------------------------------------------------------------------
 */

/* Notes a header in the attributes of its prefix, if it is one of those. */
static void
note_header(const CdrJsonMember *member, Attributes *of_prefix)
{
	for (int i = 0; i < (int) lengthof(prefixes); i++)
	{
		size_t length = strlen(prefixes[i]);

		if (pg_strncasecmp(member->name, prefixes[i], length) != 0)
			continue;
		for (int k = 0; k < CE_COUNT; k++)
		{
			if (pg_strcasecmp(member->name + length, attribute_names[k]) == 0)
				of_prefix[i].members[k] = member;
		}
	}
}

/* The same for an application property of AMQP 1.0. */
static void
note_property(const CdrAmqp10Property *property, Attributes *of_prefix)
{
	if (property->value == NULL || property->value[0] == '\0')
		return;
	for (int i = 0; i < (int) lengthof(prefixes); i++)
	{
		size_t length = strlen(prefixes[i]);

		if (pg_strncasecmp(property->name, prefixes[i], length) != 0)
			continue;
		for (int k = 0; k < CE_COUNT; k++)
		{
			if (pg_strcasecmp(property->name + length, attribute_names[k]) ==
				0)
				of_prefix[i].texts[k] = property->value;
		}
	}
}

/* What an old RabbitMQ puts into one header, of publishers of AMQP 1.0. */
static void
note_properties(const CdrJsonMembers *headers, Attributes *of_prefix)
{
	CdrAmqp10Properties properties;

	if (!cdr_amqp10_properties_among(headers, &properties))
		return;
	for (int i = 0; i < properties.count; i++)
		note_property(&properties.properties[i], of_prefix);
}

/* The attributes of the first prefix behind which all are that must be there. */
static const Attributes *
complete_attributes(Attributes *of_prefix)
{
	for (int i = 0; i < (int) lengthof(prefixes); i++)
	{
		read_texts(&of_prefix[i]);
		if (first_missing(&of_prefix[i]) == CE_REQUIRED)
			return &of_prefix[i];
	}
	return NULL;
}

bool
cdr_cloudevent_of_headers(const CdrContent *content, CdrCloudEvent *event,
						  const CdrReason **reason)
{
	Attributes		  of_prefix[lengthof(prefixes)];
	CdrJsonMembers	  members;
	const Attributes *attributes;
	const char		 *traceparent = NULL;
	char			 *json;

	*reason = NULL;
	if (!cdr_has_headers(content->message))
		return false;
	/* (as bytes, in JSON, the properties do not show the word) */
	if (!read_headers(content->message, attribute_names[CE_SPECVERSION], &json,
					  &members) &&
		!read_headers(content->message, CDR_AMQP10_PROPERTIES, &json,
					  &members))
		return false;
	memset(of_prefix, 0, sizeof(of_prefix));
	for (int i = 0; i < members.count; i++)
	{
		const char *trace = plain_traceparent(&members.members[i]);

		if (trace != NULL)
			traceparent = trace;
		else if (members.members[i].name != NULL)
			note_header(&members.members[i], of_prefix);
	}
	note_properties(&members, of_prefix);
	attributes = complete_attributes(of_prefix);
	if (attributes != NULL)
	{
		memset(event, 0, sizeof(CdrCloudEvent));
		event->data = *content;
		event->data_place = "";
		event->prefix = prefixes[attributes - of_prefix];
		*reason = take_attributes(attributes, event);
		event->is_plain_trace = event->traceparent == NULL;
		if (event->is_plain_trace)
			event->traceparent = traceparent;
	}
	free_headers(json, &members);
	return attributes != NULL;
}
