/*-------------------------------------------------------------------------
 *
 * form.c
 *	  Which form of the wire a content has.
 *
 * The forms are asked in turn, those that properties tell before those that
 * the bytes tell.  A dead letter has lost its properties, so the bytes alone
 * must do for what needs no properties to be understood.
 *
 * The data of a CloudEvent have one of these forms, too, and the envelope of an
 * envelope is not opened.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/cloudevents.h"
#include "event/envelope.h"
#include "event/form.h"
#include "event/json.h"
#include "event/mapping_read.h"
#include "event/notes.h"
#include "event/protobuf.h"

static bool
is_one_of(const char *word, size_t length, const char *const *words)
{
	for (; *words != NULL; words++)
	{
		if (strlen(*words) == length &&
			pg_strncasecmp(*words, word, length) == 0)
			return true;
	}
	return false;
}

/* The length of a content type without its parameters. */
static size_t
media_type_length(const char *content_type)
{
	return strcspn(content_type, "; \t");
}

/* ------------------------------------------------------------------------
 * What tells a form
 * ------------------------------------------------------------------------
 */

static bool
is_known_json(const CdrContent *content)
{
	return content->known_json;
}

static bool
is_labelled_protobuf(const CdrContent *content)
{
	static const char *const types[] = {
		"application/protobuf", "application/x-protobuf",
		"application/vnd.google.protobuf", NULL};
	const char *type = content->content_type;

	return type != NULL && is_one_of(type, media_type_length(type), types);
}

static bool
is_labelled_json(const CdrContent *content)
{
	static const char *const types[] = {"application/json", "text/json", NULL};
	const char				*type = content->content_type;
	size_t					 length;

	if (type == NULL)
		return false;
	length = media_type_length(type);
	return is_one_of(type, length, types) ||
		   (length > 5 && pg_strncasecmp(type + length - 5, "+json", 5) == 0);
}

/* The first byte after a byte order mark and white space is a brace. */
static bool
begins_like_json(const CdrContent *content)
{
	for (size_t i = cdr_json_mark(content->body, content->length);
		 i < content->length; i++)
	{
		char c = content->body[i];

		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return c == '{';
	}
	return false;
}

static bool
is_anything(const CdrContent *content)
{
	return true;
}

/* ------------------------------------------------------------------------
 * How it is read
 * ------------------------------------------------------------------------
 */

static const CdrReason *
read_protobuf(const CdrContent *content, const CdrEventOptions *options,
			  CdrFields *fields)
{
	const char *type =
		content->type != NULL ? content->type : content->message->routing_key;

	cdr_notes_try(fields->notes, CDR_FORM_PROTOBUF, content->body,
				  content->length, type);
	return cdr_protobuf_read(content->body, content->length, type, fields);
}

/* Is what could be read as JSON text that SQL's type json takes? */
static bool
is_sql_json(const CdrContent *content)
{
	return cdr_json_mark(content->body, content->length) == 0;
}

static const CdrReason *
read_structured(const CdrContent *content, const CdrEventOptions *options,
				CdrFields *fields);

static const CdrReason *
read_json(const CdrContent *content, const CdrEventOptions *options,
		  CdrFields *fields)
{
	const CdrReason *reason;

	cdr_notes_try(fields->notes, CDR_FORM_JSON, content->body, content->length,
				  NULL);
	/* what a function of this extension made is nobody else's */
	if (options->mappings == NULL || content->message->of_function)
		reason = cdr_json_read(content->body, content->length, fields);
	else
	{
		cdr_notes_forget_mappings(fields->notes);
		reason = cdr_mapping_read(options->mappings, content->message,
								  options->extension_digits, content->body,
								  content->length, fields);
	}
	fields->is_json = reason == NULL && is_sql_json(content);
	if (reason == NULL && fields->is_cloudevent && content->type == NULL)
		return read_structured(content, options, fields);
	return reason;
}

/* Is that the reason of what is no JSON at all, rather than no event? */
static bool
is_no_json(const CdrReason *reason)
{
	return reason->sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION ||
		   reason->sqlerrcode == ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
}

/*
 * Protobuf that nothing tells to be that.  Short texts can be read as it, too
 * ("hi"), with nothing in it that an event would say.
 */
static const CdrReason *
read_likely_protobuf(const CdrContent *content, const CdrEventOptions *options,
					 CdrFields *fields)
{
	const CdrReason *reason = read_protobuf(content, options, fields);

	if (reason == NULL && fields->type == NULL && fields->trace_id == NULL &&
		fields->call_id == NULL && fields->tenant_id == NULL &&
		fields->time == CDR_NO_TIME)
		return cdr_no_event(ERRCODE_INVALID_BINARY_REPRESENTATION,
							"event is Protobuf in which no field is known");
	return reason;
}

/*
 * What begins like JSON is Protobuf all the same if it is no JSON and can be
 * read as that: a type of 123 bytes makes a message begin with "\n{".
 */
static const CdrReason *
read_likely_json(const CdrContent *content, const CdrEventOptions *options,
				 CdrFields *fields)
{
	const CdrReason *reason = read_json(content, options, fields);

	if (reason == NULL || is_labelled_json(content) || !is_no_json(reason))
		return reason;
	return read_likely_protobuf(content, options, fields) == NULL ? NULL
																  : reason;
}

/* Without a hint: Protobuf, if it can be read as that. */
static const CdrReason *
read_unlabelled(const CdrContent *content, const CdrEventOptions *options,
				CdrFields *fields)
{
	const CdrReason *reason = read_likely_protobuf(content, options, fields);
	const CdrReason *json_reason;
	CdrReason		*neither;

	if (reason == NULL ||
		reason->sqlerrcode != ERRCODE_INVALID_BINARY_REPRESENTATION)
		return reason;
	json_reason = read_json(content, options, fields);
	if (is_labelled_json(content) || !is_no_json(json_reason))
		return json_reason;
	neither = palloc(sizeof(CdrReason));
	*neither = *reason;
	neither->message = "event is neither a JSON object nor Protobuf";
	neither->detail = reason->message;
	return neither;
}

/* A form: what tells it, and who reads it. */
typedef struct Form
{
	bool (*fits)(const CdrContent *content);
	const CdrReason *(*read)(const CdrContent	   *content,
							 const CdrEventOptions *options,
							 CdrFields			   *fields);
} Form;

/* The forms, in the order in which they are asked; the first that fits. */
static const Form forms[] = {
	{is_known_json, read_json},
	{is_labelled_protobuf, read_protobuf},
	{begins_like_json, read_likely_json},
	{is_anything, read_unlabelled},
};

static const CdrReason *
read_bare(const CdrContent *content, const CdrEventOptions *options,
		  CdrFields *fields)
{
	int i = 0;

	while (!forms[i].fits(content))
		i++;
	return forms[i].read(content, options, fields);
}

/* ------------------------------------------------------------------------
 * CloudEvents
 * ------------------------------------------------------------------------
 */

/*
 * May these data be anything, rather than what they are said to be, or begin
 * like?  What cannot be read of them, then, says nothing.
 */
static bool
may_be_anything(const CdrContent *data)
{
	return !is_labelled_json(data) && !is_labelled_protobuf(data) &&
		   (data->content_type != NULL || !begins_like_json(data));
}

/*
 * Reads an event in its envelope, which goes before what the data say.  JSON
 * data that are no object say nothing.
 */
static const CdrReason *
read_enveloped(const CdrCloudEvent *event, const CdrEventOptions *options,
			   CdrFields *fields)
{
	CdrNotes		*notes = fields->notes;
	const CdrReason *reason = NULL;

	cdr_notes_clear_fields(fields);
	if (notes != NULL)
		notes->place = event->data_place;
	if (event->data.length > 0)
		reason = read_bare(&event->data, options, fields);
	if (notes != NULL)
		notes->place = "";
	if (reason != NULL)
	{
		if (!may_be_anything(&event->data) &&
			reason->sqlerrcode != ERRCODE_INVALID_PARAMETER_VALUE)
			return reason;
		cdr_notes_clear_fields(fields);
	}
	cdr_cloudevent_add(event, fields);
	return NULL;
}

/*
 * Reads an envelope by the mapping that matches; false: none does.  The event is
 * known by its source and id all the same, unless the mapping says by what.
 */
static bool
read_mapped_envelope(const CdrContent *content, const CdrEventOptions *options,
					 const CdrCloudEvent *event, CdrFields *fields,
					 const CdrReason **reason)
{
	if (options->mappings == NULL || content->message->of_function)
		return false;
	/* it may have been read before it showed what it is */
	cdr_notes_clear_fields(fields);
	cdr_notes_forget_mappings(fields->notes);
	*reason = cdr_mapping_read(options->mappings, content->message,
							   options->extension_digits, content->body,
							   content->length, fields);
	if (*reason != NULL)
		return true;
	if (fields->mapping == NULL)
		return false;
	if (fields->identity == NULL)
		fields->identity = cdr_cloudevent_identity(event);
	fields->is_json = is_sql_json(content);
	return true;
}

static const CdrReason *
read_structured(const CdrContent *content, const CdrEventOptions *options,
				CdrFields *fields)
{
	CdrEventOptions	 unmapped = *options;
	CdrCloudEvent	 event;
	const CdrReason *reason = cdr_cloudevent_of_body(content, &event);

	if (fields->notes != NULL)
		fields->notes->envelope = (CdrReadText){.form = CDR_FORM_JSON,
												.start = content->body,
												.length = content->length,
												.place = ""};
	/* a mapping sees all of the body, and nothing else */
	unmapped.mappings = NULL;
	if (reason == NULL &&
		read_mapped_envelope(content, options, &event, fields, &reason))
		return reason;
	if (reason == NULL)
		reason = read_enveloped(&event, &unmapped, fields);
	fields->is_json = reason == NULL && is_sql_json(content);
	return reason;
}

const CdrReason *
cdr_form_read(const CdrContent *content, const CdrEventOptions *options,
			  CdrFields *fields)
{
	CdrCloudEvent	 event;
	const CdrReason *reason;

	if (cdr_cloudevent_labelled(content))
		return read_structured(content, options, fields);
	if (!cdr_cloudevent_of_headers(content, &event, &reason))
		return read_bare(content, options, fields);
	if (fields->notes != NULL)
		fields->notes->is_binary = true;
	return reason != NULL ? reason : read_enveloped(&event, options, fields);
}
