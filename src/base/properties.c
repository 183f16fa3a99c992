/*-------------------------------------------------------------------------
 *
 * properties.c
 *	  The AMQP properties of a message: the list as it came, and as JSON.
 *
 * Headers are made by publishers, and a broker passes them on without a look.
 * So nothing is believed: every length is checked, and tables nest no deeper
 * than is followed here.  And nothing is left out: what cannot be read, or
 * cannot be text in PostgreSQL, is kept as bytes.
 *
 *	number			a JSON number; a timestamp is one, of seconds since 1970
 *	NaN, Infinity	strings, of these words
 *	text			a string; if it is not UTF-8, or holds a NUL, bytes
 *	bytes			{"base64": "..."}
 *	table, array	an object, an array; if it cannot be read, or nests too
 *					deep, bytes
 *	a key that is not text, or that is "base64" or begins with "base64:"
 *					the string "base64:...": so that both mean bytes and
 *					nothing else
 *
 * A JSON text that is made here can also be cast to jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "common/base64.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "base/properties.h"

/* Tables within tables that are followed. */
#define NESTED_MAX 32

/* Digits behind the point that are written out. */
#define PLAIN_SCALE_MAX 10

/* How keys of bytes begin. */
#define BYTES_KEY "base64"

/* ------------------------------------------------------------------------
 * Bytes
 * ------------------------------------------------------------------------
 */

/* Takes so many bytes from the rest; false if it is not that long. */
static bool
take_bytes(CdrBytes *rest, size_t length, CdrBytes *taken)
{
	if (rest->length < length)
		return false;
	taken->start = rest->start;
	taken->length = length;
	rest->start += length;
	rest->length -= length;
	return true;
}

/* A number of up to eight bytes, the highest first. */
static uint64
number_of(CdrBytes bytes)
{
	uint64 number = 0;

	for (size_t i = 0; i < bytes.length; i++)
		number = number << 8 | bytes.start[i];
	return number;
}

/* The same, with a sign. */
static int64
signed_number_of(CdrBytes bytes)
{
	int unused = 64 - 8 * (int) bytes.length;

	return (int64) (number_of(bytes) << unused) >> unused;
}

/* Takes bytes that come behind their length, a number of so many bytes. */
static bool
take_counted(CdrBytes *rest, size_t width, CdrBytes *taken)
{
	CdrBytes length;

	return take_bytes(rest, width, &length) &&
		   take_bytes(rest, number_of(length), taken);
}

/* ------------------------------------------------------------------------
 * The list
 * ------------------------------------------------------------------------
 */

/* In the order of their flags, from the highest; 0: counted by 1 or 4 bytes. */
static const struct
{
	size_t offset;
	size_t length;
	size_t width;
} list_of_properties[] = {
	{offsetof(CdrProperties, content_type), 0, 1},
	{offsetof(CdrProperties, content_encoding), 0, 1},
	{offsetof(CdrProperties, headers), 0, 4},
	{offsetof(CdrProperties, delivery_mode), 1, 0},
	{offsetof(CdrProperties, priority), 1, 0},
	{offsetof(CdrProperties, correlation_id), 0, 1},
	{offsetof(CdrProperties, reply_to), 0, 1},
	{offsetof(CdrProperties, expiration), 0, 1},
	{offsetof(CdrProperties, message_id), 0, 1},
	{offsetof(CdrProperties, timestamp), 8, 0},
	{offsetof(CdrProperties, type), 0, 1},
	{offsetof(CdrProperties, user_id), 0, 1},
	{offsetof(CdrProperties, app_id), 0, 1},
	{offsetof(CdrProperties, cluster_id), 0, 1},
};

bool
cdr_properties_parse(const void *list, size_t length,
					 CdrProperties *properties)
{
	CdrBytes rest = {list, length};
	CdrBytes flags;

	memset(properties, 0, sizeof(CdrProperties));
	if (!take_bytes(&rest, 2, &flags))
		return false;
	for (int i = 0; i < (int) lengthof(list_of_properties); i++)
	{
		CdrBytes *property =
			(CdrBytes *) ((char *) properties + list_of_properties[i].offset);
		size_t fixed = list_of_properties[i].length;

		if ((number_of(flags) & (UINT64CONST(1) << (15 - i))) == 0)
			continue;
		if (fixed > 0
				? !take_bytes(&rest, fixed, property)
				: !take_counted(&rest, list_of_properties[i].width, property))
			return false;
	}
	return true;
}

uint64
cdr_properties_timestamp(const CdrProperties *properties)
{
	return number_of(properties->timestamp);
}

/* ------------------------------------------------------------------------
 * Tables
 * ------------------------------------------------------------------------
 */

/* A value of a table or of an array. */
typedef struct Field
{
	CdrBytes key; /* in a table */
	char	 kind;
	CdrBytes value;
} Field;

/* Takes the next field; false if it cannot be read. */
static bool
take_field(CdrBytes *rest, bool in_table, Field *field)
{
	CdrBytes kind;

	if ((in_table && !take_counted(rest, 1, &field->key)) ||
		!take_bytes(rest, 1, &kind))
		return false;
	field->kind = (char) kind.start[0];
	switch (field->kind)
	{
		case 'V':
			return take_bytes(rest, 0, &field->value);
		case 't':
		case 'b':
		case 'B':
			return take_bytes(rest, 1, &field->value);
		case 's':
		case 'u':
			return take_bytes(rest, 2, &field->value);
		case 'I':
		case 'i':
		case 'f':
			return take_bytes(rest, 4, &field->value);
		case 'D':
			return take_bytes(rest, 5, &field->value);
		case 'l':
		case 'L':
		case 'd':
		case 'T':
			return take_bytes(rest, 8, &field->value);
		case 'S':
		case 'x':
		case 'A':
		case 'F':
			return take_counted(rest, 4, &field->value);
		default:
			return false;
	}
}

/* Can all fields be read?  What is in a table within is its own business. */
static bool
is_readable(CdrBytes fields, bool in_table)
{
	Field field;

	while (fields.length > 0)
	{
		if (!take_field(&fields, in_table, &field))
			return false;
	}
	return true;
}

int64
cdr_properties_delivery_count(const CdrProperties *properties)
{
	static const char name[] = "x-delivery-count";
	CdrBytes		  rest = properties->headers;
	Field			  field;

	while (take_field(&rest, true, &field))
	{
		if (field.key.length == strlen(name) &&
			memcmp(field.key.start, name, field.key.length) == 0)
			return strchr("bsIl", field.kind) != NULL
					   ? signed_number_of(field.value)
					   : 0;
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * JSON
 * ------------------------------------------------------------------------
 */

/* Can bytes be a text of PostgreSQL's? */
static bool
is_utf8_text(CdrBytes bytes)
{
	const char *text = (const char *) bytes.start;
	int			length = (int) bytes.length;

	/* (the verification stops at a NUL) */
	return pg_encoding_verifymbstr(PG_UTF8, text, length) == length;
}

static void
put_base64(StringInfo out, CdrBytes bytes)
{
	int room = pg_b64_enc_len((int) bytes.length);

	enlargeStringInfo(out, room + 1);
	/* (of char until 17, of uint8 since) */
	out->len += pg_b64_encode((const void *) bytes.start, (int) bytes.length,
							  out->data + out->len, room + 1);
	out->data[out->len] = '\0';
}

static void
put_bytes(StringInfo out, CdrBytes bytes)
{
	appendStringInfoString(out, "{\"" BYTES_KEY "\":\"");
	put_base64(out, bytes);
	appendStringInfoString(out, "\"}");
}

static void
put_string(StringInfo out, CdrBytes text)
{
	appendStringInfoCharMacro(out, '"');
	for (size_t i = 0; i < text.length; i++)
	{
		char c = (char) text.start[i];

		if (c == '"' || c == '\\')
		{
			appendStringInfoCharMacro(out, '\\');
			appendStringInfoCharMacro(out, c);
		}
		else if (c == '\n')
			appendStringInfoString(out, "\\n");
		else if (c == '\t')
			appendStringInfoString(out, "\\t");
		else if ((unsigned char) c < ' ')
			appendStringInfo(out, "\\u%04x", c);
		else
			appendStringInfoCharMacro(out, c);
	}
	appendStringInfoChar(out, '"');
}

static void
put_json_text(StringInfo out, CdrBytes text)
{
	if (is_utf8_text(text))
		put_string(out, text);
	else
		put_bytes(out, text);
}

static void
put_key(StringInfo out, CdrBytes key)
{
	size_t length = strlen(BYTES_KEY);
	bool   means_bytes = key.length >= length &&
					   memcmp(key.start, BYTES_KEY, length) == 0 &&
					   (key.length == length || key.start[length] == ':');

	if (!means_bytes && is_utf8_text(key))
		put_string(out, key);
	else
	{
		appendStringInfoString(out, "\"" BYTES_KEY ":");
		put_base64(out, key);
		appendStringInfoChar(out, '"');
	}
	appendStringInfoChar(out, ':');
}

/* JSON has no infinities and no NaN: they go as strings. */
static void
put_float(StringInfo out, CdrBytes value)
{
	char   digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	uint64 bits = number_of(value);
	bool   finite;

	StaticAssertStmt(FLOAT_SHORTEST_DECIMAL_LEN <= DOUBLE_SHORTEST_DECIMAL_LEN,
					 "a float is no longer than a double");
	if (value.length == sizeof(float))
	{
		uint32 bits32 = (uint32) bits;
		float  number;

		memcpy(&number, &bits32, sizeof(number));
		finite = isfinite(number);
		float_to_shortest_decimal_buf(number, digits);
	}
	else
	{
		double number;

		memcpy(&number, &bits, sizeof(number));
		finite = isfinite(number);
		double_to_shortest_decimal_buf(number, digits);
	}
	appendStringInfo(out, finite ? "%s" : "\"%s\"", digits);
}

/* A decimal: how many digits are behind the point, and all of them. */
static void
put_decimal(StringInfo out, CdrBytes value)
{
	int	  scale = value.start[0];
	int64 number =
		signed_number_of((CdrBytes){value.start + 1, value.length - 1});
	char digits[32];
	int	 point;

	if (scale > PLAIN_SCALE_MAX)
	{
		/* a few bytes must not become hundreds */
		appendStringInfo(out, INT64_FORMAT "e-%d", number, scale);
		return;
	}
	point = snprintf(digits, sizeof(digits), "%0*lld", scale + 1,
					 (long long) (number < 0 ? -number : number)) -
			scale;
	appendStringInfo(out, "%s%.*s%s%s", number < 0 ? "-" : "", point, digits,
					 scale > 0 ? "." : "", digits + point);
}

static void
put_fields(StringInfo out, CdrBytes fields, bool in_table, int depth);

static void
put_field_value(StringInfo out, const Field *field, int depth)
{
	switch (field->kind)
	{
		case 'V':
			appendStringInfoString(out, "null");
			break;
		case 't':
			appendStringInfoString(
				out, number_of(field->value) != 0 ? "true" : "false");
			break;
		case 'b':
		case 's':
		case 'I':
		case 'l':
			appendStringInfo(out, INT64_FORMAT,
							 signed_number_of(field->value));
			break;
		case 'B':
		case 'u':
		case 'i':
		case 'L':
		case 'T':
			appendStringInfo(out, UINT64_FORMAT, number_of(field->value));
			break;
		case 'f':
		case 'd':
			put_float(out, field->value);
			break;
		case 'D':
			put_decimal(out, field->value);
			break;
		case 'S':
			put_json_text(out, field->value);
			break;
		case 'x':
			put_bytes(out, field->value);
			break;
		case 'A':
		case 'F':
			put_fields(out, field->value, field->kind == 'F', depth + 1);
			break;
	}
}

/* Adds a table or an array. */
static void
put_fields(StringInfo out, CdrBytes fields, bool in_table, int depth)
{
	const char *separator = "";
	Field		field;

	if (depth > NESTED_MAX || !is_readable(fields, in_table))
	{
		put_bytes(out, fields);
		return;
	}
	appendStringInfoChar(out, in_table ? '{' : '[');
	while (fields.length > 0 && take_field(&fields, in_table, &field))
	{
		appendStringInfoString(out, separator);
		separator = ",";
		if (in_table)
			put_key(out, field.key);
		put_field_value(out, &field, depth);
	}
	appendStringInfoChar(out, in_table ? '}' : ']');
}

/* ------------------------------------------------------------------------
 * A message
 * ------------------------------------------------------------------------
 */

/* The properties that a message came with; false if it has no list of them. */
static bool
properties_of(const CdrMessage *message, CdrProperties *properties)
{
	return message->properties != NULL &&
		   cdr_properties_parse(message->properties,
								message->properties_length, properties);
}

char *
cdr_headers_json(const CdrMessage *message)
{
	CdrProperties  properties;
	StringInfoData out;

	if (message->headers != NULL)
		return pstrdup(message->headers);
	if (!properties_of(message, &properties) || properties.headers.length == 0)
		return NULL;
	initStringInfo(&out);
	put_fields(&out, properties.headers, true, 1);
	return out.data;
}

/* Adds a property to the object of them, which is not closed yet. */
static void
put_property(StringInfo out, const char *name, CdrBytes value, bool is_number)
{
	if (value.start == NULL)
		return;
	appendStringInfo(out, "%c\"%s\":", out->len == 0 ? '{' : ',', name);
	if (is_number)
		appendStringInfo(out, UINT64_FORMAT, number_of(value));
	else
		put_json_text(out, value);
}

/* Those without a column of their own in any table. */
static void
put_other_properties(StringInfo out, const CdrProperties *p)
{
	put_property(out, "delivery_mode", p->delivery_mode, true);
	put_property(out, "priority", p->priority, true);
	put_property(out, "correlation_id", p->correlation_id, false);
	put_property(out, "reply_to", p->reply_to, false);
	put_property(out, "expiration", p->expiration, false);
	put_property(out, "type", p->type, false);
	put_property(out, "user_id", p->user_id, false);
	put_property(out, "app_id", p->app_id, false);
	put_property(out, "cluster_id", p->cluster_id, false);
}

/*
 * Closes the object of properties, with the place of the message among those that
 * it came with; NULL: there are none.
 */
static char *
end_properties(StringInfo out, const char *place)
{
	if (place != NULL)
		appendStringInfo(out, "%c\"each\":%s", out->len == 0 ? '{' : ',',
						 place);
	if (out->len == 0)
		return NULL;
	appendStringInfoChar(out, '}');
	return out->data;
}

/* Adds the members of an object of properties, which may be NULL. */
static void
put_members(StringInfo out, const char *object)
{
	const char *members = object == NULL ? NULL : strchr(object, '{');
	const char *end = object == NULL ? NULL : strrchr(object, '}');

	if (members == NULL || end == NULL ||
		members + 1 + strspn(members + 1, " \t\r\n") == end)
		return;
	appendStringInfoChar(out, out->len == 0 ? '{' : ',');
	appendBinaryStringInfo(out, members + 1, (int) (end - members - 1));
}

char *
cdr_properties_json(const CdrMessage *message)
{
	CdrProperties  p;
	StringInfoData out;

	if (message->other_properties != NULL && message->place == NULL)
		return pstrdup(message->other_properties);
	initStringInfo(&out);
	put_members(&out, message->other_properties);
	if (message->other_properties == NULL && properties_of(message, &p))
	{
		put_other_properties(&out, &p);
		/* what the columns of these cannot hold */
		if (message->property_time == CDR_NO_TIME)
			put_property(&out, "timestamp", p.timestamp, true);
		if (!is_utf8_text(p.content_type))
			put_property(&out, "content_type", p.content_type, false);
		if (!is_utf8_text(p.content_encoding))
			put_property(&out, "content_encoding", p.content_encoding, false);
	}
	return end_properties(&out, message->place);
}

/* A text of the message; NULL: it does not say. */
static void
put_text_property(StringInfo out, const char *name, const char *text)
{
	CdrBytes bytes = {(const uint8 *) text, text == NULL ? 0 : strlen(text)};

	put_property(out, name, bytes, false);
}

char *
cdr_needed_properties_json(const CdrMessage *message)
{
	CdrProperties  p;
	StringInfoData out;

	initStringInfo(&out);
	if (properties_of(message, &p))
		put_other_properties(&out, &p);
	else
	{
		put_members(&out, message->other_properties);
		/* of a name that stands twice, the last counts */
		put_text_property(&out, "type", message->type);
	}
	put_text_property(&out, "exchange", message->exchange);
	put_text_property(&out, "content_encoding", message->content_encoding);
	return end_properties(&out, message->place);
}
