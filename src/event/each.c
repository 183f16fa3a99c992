/*-------------------------------------------------------------------------
 *
 * each.c
 *	  Messages that hold an array of events, taken apart.
 *
 * A mapping names the array.  Each element is a message of its own from then on,
 * with the bytes that it has there, and the properties of the message that it came
 * in: an event, or a dead letter, that nothing of its neighbours changes.  What
 * stands around the array is kept with the first element, as a value of JSON: it is
 * the body, with that array empty.
 *
 * A message is taken apart or not: what cannot be read as a whole, or has too many
 * elements, stays as it came.  So does a CloudEvent, which says of itself what it is
 * and by what it is known.
 *
 * The body is checked by the server's parser; only then it is walked through, and
 * whatever stands in it is in its place.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/jsonapi.h"
#include "lib/stringinfo.h"

#include "base/compat.h"
#include "event/cloudevents.h"
#include "event/content.h"
#include "event/each.h"
#include "event/json.h"
#include "event/json_check.h"
#include "event/json_text.h"
#include "event/mapping_parts.h"
#include "event/mapping_read.h"

/* Bytes of the body. */
typedef struct Slice
{
	const char *start;
	size_t		length;
} Slice;

/* An array that was found. */
typedef struct EachArray
{
	const char *path;
	const char *open;  /* its bracket */
	const char *close; /* and the other one */
	Slice		body;  /* that it stands in */
	int			count;
	Slice		elements[CDR_EACH_MAX];
} EachArray;

/* ------------------------------------------------------------------------
 * Walking through JSON that was checked
 * ------------------------------------------------------------------------
 */

static const char *
skip_space(const char *c)
{
	while (*c == ' ' || *c == '\t' || *c == '\r' || *c == '\n')
		c++;
	return c;
}

static const char *
skip_string(const char *c)
{
	for (c++; *c != '"'; c++)
	{
		if (*c == '\\')
			c++;
	}
	return c + 1;
}

/* Of a value within others: something stands behind it. */
static const char *
skip_json_value(const char *c)
{
	int depth = 0;

	if (*c == '"')
		return skip_string(c);
	if (*c != '{' && *c != '[')
		return c + strcspn(c, ",]} \t\r\n");
	do
	{
		if (*c == '"')
			c = skip_string(c) - 1;
		else if (*c == '{' || *c == '[')
			depth++;
		else if (*c == '}' || *c == ']')
			depth--;
		c++;
	} while (depth > 0);
	return c;
}

/* What comes next in an object or array: behind a comma, if there is one. */
static const char *
skip_comma(const char *c)
{
	c = skip_space(c);
	return *c == ',' ? skip_space(c + 1) : c;
}

static bool
is_member_key(const char *start, const char *end, const char *name)
{
	char *key = cdr_json_unescape(start, end);
	bool  same = key != NULL && strcmp(key, name) == 0;

	if (key != NULL)
		pfree(key);
	return same;
}

/* The member of an object; of a key that stands twice, the last. */
static const char *
find_member(const char *c, const char *name)
{
	const char *found = NULL;

	for (c = skip_space(c + 1); *c != '}'; c = skip_comma(c))
	{
		const char *key = c + 1;
		bool		is_it;

		c = skip_string(c);
		is_it = is_member_key(key, c - 1, name);
		c = skip_space(skip_space(c) + 1);
		if (is_it)
			found = c;
		c = skip_json_value(c);
	}
	return found;
}

/* The element of an array, by its index as it is written. */
static const char *
find_element(const char *c, const char *name)
{
	size_t length = strlen(name);
	int	   index;

	if (length == 0 || length > 3 || (length > 1 && name[0] == '0') ||
		strspn(name, "0123456789") != length)
		return NULL;
	index = atoi(name);
	for (c = skip_space(c + 1); *c != ']'; c = skip_comma(skip_json_value(c)))
	{
		if (index-- == 0)
			return c;
	}
	return NULL;
}

/* Where an array begins; NULL: none stands there. */
static const char *
find_array(Slice body, const MapWords *steps)
{
	const char *c = skip_space(body.start);

	for (int i = 0; c != NULL && i < steps->count; i++)
	{
		if (*c == '{')
			c = find_member(c, steps->words[i]);
		else
			c = *c == '[' ? find_element(c, steps->words[i]) : NULL;
	}
	return c != NULL && *c == '[' ? c : NULL;
}

/* False: there are too many. */
static bool
list_elements(EachArray *array)
{
	const char *c = skip_space(array->open + 1);

	array->count = 0;
	while (*c != ']')
	{
		const char *start = c;

		if (array->count == CDR_EACH_MAX)
			return false;
		c = skip_json_value(c);
		array->elements[array->count++] = (Slice){start, c - start};
		c = skip_comma(c);
	}
	array->close = c;
	return true;
}

/* ------------------------------------------------------------------------
 * Places
 * ------------------------------------------------------------------------
 */

static void
put_place_string(StringInfo out, const char *text)
{
	appendStringInfoChar(out, '"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfo(out, "\\%c", *text);
		else if ((unsigned char) *text < ' ')
			appendStringInfo(out, "\\u%04x", (unsigned char) *text);
		else
			appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, '"');
}

/* The body with that array empty; nothing, where that is all of it. */
static void
put_around(StringInfo out, const EachArray *array)
{
	const char *end = array->body.start + array->body.length;

	if (array->path[0] == '\0')
		return;
	appendStringInfoString(out, ",\"around\":");
	appendBinaryStringInfo(out, array->body.start,
						   (int) (array->open + 1 - array->body.start));
	appendBinaryStringInfo(out, array->close, (int) (end - array->close));
}

static char *
place_of(const EachArray *array, int index)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"path\":");
	put_place_string(&out, array->path);
	appendStringInfo(&out, ",\"index\":%d,\"count\":%d", index, array->count);
	if (index == 0)
		put_around(&out, array);
	appendStringInfoChar(&out, '}');
	return out.data;
}

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

static size_t
length_of(const char *text)
{
	return text == NULL ? 0 : strlen(text);
}

/* Bytes of the properties, which are stored with each element. */
static size_t
properties_size(const CdrMessage *message)
{
	return message->properties_length + message->message_id_length +
		   length_of(message->headers) + length_of(message->other_properties);
}

static bool
each_refuse(CdrEach *each, const char *message)
{
	CdrReason *reason = palloc0(sizeof(CdrReason));

	reason->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	reason->message = message;
	reason->hint = "Have the platform send fewer events in a message.";
	each->refused = reason;
	return true;
}

static void
make_messages(const CdrMessage *message, const EachArray *array, CdrEach *each)
{
	const char *path = pstrdup(array->path);

	each->count = array->count;
	each->messages = palloc(array->count * sizeof(CdrMessage));
	each->size = array->count * sizeof(CdrMessage);
	for (int i = 0; i < array->count; i++)
	{
		CdrMessage *element = &each->messages[i];
		char	   *place = place_of(array, i);

		*element = *message;
		element->body = array->elements[i].start;
		element->body_length = array->elements[i].length;
		element->body_size = element->body_length;
		element->id = NULL;
		element->array = path;
		element->place = place;
		element->held = element->body_length + strlen(place);
		each->size += strlen(place) + 1;
	}
}

/* Takes apart what was found; true, also if it is refused. */
static bool
split_array(const CdrMessage *message, EachArray *array, CdrEach *each)
{
	const CdrReason *reason;
	size_t			 size;

	if (!list_elements(array))
		return each_refuse(
			each, psprintf("array at \"%s\" has more than %d elements",
						   array->path, CDR_EACH_MAX));
	if (array->count == 0)
		return false;
	size = properties_size(message);
	if (size > 0 && CDR_EACH_BYTES_MAX / size < (size_t) array->count)
		return each_refuse(
			each, psprintf("array at \"%s\" has %d elements, with each of "
						   "which %zu bytes of properties were to be stored",
						   array->path, array->count, size));
	make_messages(message, array, each);
	/* it stands deeper there than in the body */
	reason = cdr_json_check(each->messages[0].place,
							strlen(each->messages[0].place));
	if (reason != NULL)
	{
		each->count = 0;
		each->refused = reason;
	}
	return true;
}

/* Does the mapping read elements of such messages?  One that is used alone does,
 * wherever they come from. */
static bool
reads_elements(const CdrMappingUse *use, const CdrMapping *mapping,
			   const CdrMessage *message)
{
	if (mapping->each == NULL)
		return false;
	return use->by != NULL
			   ? use->by == mapping
			   : cdr_mapping_envelope_mismatch(mapping, message) == NULL;
}

/* The first array that a mapping reads the elements of; false: there is none. */
static bool
choose_array(const CdrMessage *message, const CdrMappingUse *use,
			 EachArray *array)
{
	for (int i = 0; i < use->set->count; i++)
	{
		const CdrMapping *mapping = use->set->mappings[i];

		if (!reads_elements(use, mapping, message))
			continue;
		array->path = mapping->each;
		array->open = find_array(array->body, &mapping->each_steps);
		if (array->open != NULL)
			return true;
	}
	return false;
}

static bool
is_json(const char *text, size_t length)
{
	static const JsonSemAction nothing = {0};
	JsonLexContext			  *lex;
	JsonParseErrorType		   result;

	if (cdr_json_check(text, length) != NULL)
		return false;
	lex = cdr_json_lexer(text, length, false);
	result = pg_parse_json(lex, (JsonSemAction *) &nothing);
	cdr_json_lexer_free(lex);
	return result == JSON_SUCCESS;
}

/* Does it say of itself that it is one event, by what it is known? */
static bool
is_labelled_cloudevent(const CdrContent *content)
{
	CdrCloudEvent	 event;
	const CdrReason *reason;

	return cdr_cloudevent_labelled(content) ||
		   cdr_cloudevent_of_headers(content, &event, &reason);
}

/* The text of a content, without a byte order mark. */
static Slice
slice_of(const CdrContent *content)
{
	size_t mark = cdr_json_mark(content->body, content->length);

	return (Slice){content->body + mark, content->length - mark};
}

static bool
split_content(CdrContent *content, const CdrEventOptions *options,
			  CdrEach *each)
{
	Slice	   text = slice_of(content);
	EachArray *array;
	bool	   result;

	if (is_labelled_cloudevent(content))
		return false;
	if (!is_json(text.start, text.length))
	{
		if (!cdr_content_mend(content, options))
			return false;
		text = slice_of(content);
		if (!is_json(text.start, text.length))
			return false;
	}
	array = palloc(sizeof(EachArray));
	array->body = text;
	result = choose_array(content->message, options->mappings, array) &&
			 split_array(content->message, array, each);
	pfree(array);
	return result;
}

bool
cdr_each_asked(const CdrMessage *message, const CdrEventOptions *options)
{
	const CdrMappingUse *use = options->mappings;

	if (use == NULL || !use->set->has_each || message->of_function ||
		message->array != NULL || message->refused != NULL ||
		message->body_size > options->max_event_size)
		return false;
	for (int i = 0; i < use->set->count; i++)
	{
		if (reads_elements(use, use->set->mappings[i], message))
			return true;
	}
	return false;
}

bool
cdr_each_split(const CdrMessage *message, const CdrEventOptions *options,
			   bool known_json, CdrEach *each)
{
	const CdrReason *reason = NULL;
	CdrContent		 content;
	bool			 result;

	memset(each, 0, sizeof(CdrEach));
	if (known_json)
		cdr_content_of_json(message, &content);
	else
		reason = cdr_content_open(message, options, &content);
	result = reason == NULL && split_content(&content, options, each);
	if (each->count > 0 && content.unpacked != NULL)
		/* the elements are of it */
		each->size += content.length;
	else
		cdr_content_close(&content);
	return result;
}
