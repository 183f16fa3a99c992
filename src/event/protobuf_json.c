/*-------------------------------------------------------------------------
 *
 * protobuf_json.c
 *	  The Protobuf form of events, shown as JSON to people.
 *
 * Recursion goes as deep as the messages of protobuf_schema.c, and as groups
 * may nest.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "event/json_show.h"
#include "event/protobuf.h"
#include "event/protobuf_json.h"
#include "event/protobuf_schema.h"
#include "event/timestamp.h"

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

static void
append_hex(StringInfo out, CdrProtoSpan bytes)
{
	appendStringInfoString(out, "\"\\\\x");
	for (size_t i = 0; i < bytes.length; i++)
		appendStringInfo(out, "%02x", bytes.start[i]);
	appendStringInfoChar(out, '"');
}

/* A string of JSON, which must be UTF-8 without NUL. */
static void
append_text(StringInfo out, CdrProtoSpan text)
{
	appendStringInfoChar(out, '"');
	for (size_t i = 0; i < text.length; i++)
	{
		unsigned char c = text.start[i];

		if (c == '"' || c == '\\')
			appendStringInfo(out, "\\%c", c);
		else if (c == '\n')
			appendStringInfoString(out, "\\n");
		else if (c < ' ')
			appendStringInfo(out, "\\u%04x", c);
		else
			appendStringInfoChar(out, (char) c);
	}
	appendStringInfoChar(out, '"');
}

static bool
is_text(CdrProtoSpan bytes)
{
	return bytes.length == 0 ||
		   pg_encoding_verifymbstr(PG_UTF8, (const char *) bytes.start,
								   (int) bytes.length) == (int) bytes.length;
}

/* Text in which people would see all that there is. */
static bool
looks_like_text(CdrProtoSpan bytes)
{
	for (size_t i = 0; i < bytes.length; i++)
	{
		unsigned char c = bytes.start[i];

		if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7F)
			return false;
	}
	return is_text(bytes);
}

static void
append_text_or_hex(StringInfo out, CdrProtoSpan bytes, bool text)
{
	if (text)
		append_text(out, bytes);
	else
		append_hex(out, bytes);
}

/* Shortest digits that give the same float; JSON has no infinities, no NaN. */
static void
append_proto_float(StringInfo out, uint32 bits)
{
	char  digits[FLOAT_SHORTEST_DECIMAL_LEN];
	float value;

	memcpy(&value, &bits, sizeof(value));
	if (isnan(value))
		appendStringInfoString(out, "\"NaN\"");
	else if (isinf(value))
		appendStringInfoString(out,
							   value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
	{
		float_to_shortest_decimal_buf(value, digits);
		appendStringInfoString(out, digits);
	}
}

static void
append_proto_floats(StringInfo out, CdrProtoSpan bytes)
{
	if (bytes.length % 4 != 0)
	{
		append_hex(out, bytes);
		return;
	}
	appendStringInfoChar(out, '[');
	for (size_t i = 0; i < bytes.length; i += 4)
	{
		const unsigned char *p = bytes.start + i;

		if (i > 0)
			appendStringInfoString(out, ", ");
		append_proto_float(out, (uint32) p[0] | (uint32) p[1] << 8 |
									(uint32) p[2] << 16 | (uint32) p[3] << 24);
	}
	appendStringInfoChar(out, ']');
}

static void
append_time(StringInfo out, CdrProtoSpan bytes)
{
	CdrProtoCursor cursor = cdr_proto_cursor(bytes);
	CdrProtoField  field;
	int64		   seconds = 0;
	int32		   nanos = 0;

	while (cdr_proto_next(&cursor, &field))
	{
		if (field.type == CDR_PROTO_VARINT && field.number == 1)
			seconds = (int64) field.value;
		else if (field.type == CDR_PROTO_VARINT && field.number == 2)
			nanos = (int32) (uint32) field.value;
	}
	if (cursor.problem != NULL)
		append_hex(out, bytes);
	else if (seconds == 0 && nanos == 0)
		appendStringInfoString(out, "null");
	else if (!cdr_timestamp_print_unix(seconds, nanos, out))
		appendStringInfo(out, "{\"seconds\": " INT64_FORMAT ", \"nanos\": %d}",
						 seconds, nanos);
}

/*
 * payload_json, if it is an object: as it stands, but for what no text can
 * hold.
 */
static void
append_json(StringInfo out, CdrProtoSpan text)
{
	if (text.length == 0 ||
		!cdr_json_show((const char *) text.start, text.length, out))
		append_text_or_hex(out, text, is_text(text));
}

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

/* A field of a message; several make one member of the object. */
typedef struct ShownEntry
{
	CdrProtoField		  field;
	const CdrProtoMember *known; /* NULL: not known */
} ShownEntry;

static bool append_message(StringInfo out, CdrProtoSpan bytes,
						   const CdrProtoMember *members);

/* By number; the unknown behind the known; what is equal, as it came. */
static bool
is_behind(const ShownEntry *x, const ShownEntry *y)
{
	if (x->field.number != y->field.number)
		return x->field.number > y->field.number;
	if (x->known == y->known || y->known == NULL)
		return false;
	return x->known == NULL || x->known > y->known;
}

/* Merges two sorted halves of some entries into another array. */
static void
merge_halves(const ShownEntry *from, int middle, int count, ShownEntry *to)
{
	int left = 0;
	int right = middle;

	for (int i = 0; i < count; i++)
	{
		if (right == count ||
			(left < middle && !is_behind(&from[left], &from[right])))
			to[i] = from[left++];
		else
			to[i] = from[right++];
	}
}

/*
 * Sorts entries, and returns where they are then.  By merging, which takes
 * n log n steps whatever their order is: a publisher chooses it, and can make
 * qsort() quadratic.
 */
static ShownEntry *
sort_entries(ShownEntry *entries, int count)
{
	ShownEntry *other = palloc(Max(count, 1) * sizeof(ShownEntry));

	for (int width = 1; width < count; width *= 2)
	{
		ShownEntry *swap = entries;

		for (int i = 0; i < count; i += 2 * width)
		{
			CDR_CHECK_FOR_INTERRUPTS();
			merge_halves(entries + i, Min(width, count - i),
						 Min(2 * width, count - i), other + i);
		}
		entries = other;
		other = swap;
	}
	pfree(other);
	return entries;
}

/* The fields of a message, sorted; -1: it is none. */
static int
find_entries(CdrProtoSpan bytes, const CdrProtoMember *members,
			 ShownEntry **entries)
{
	CdrProtoCursor cursor = cdr_proto_cursor(bytes);
	CdrProtoField  field;
	int			   capacity = 16;
	int			   count = 0;

	*entries = palloc(capacity * sizeof(ShownEntry));
	while (cdr_proto_next(&cursor, &field))
	{
		CDR_CHECK_FOR_INTERRUPTS();
		if (count == capacity)
		{
			capacity *= 2;
			*entries = repalloc(*entries, capacity * sizeof(ShownEntry));
		}
		(*entries)[count++] =
			(ShownEntry){field, cdr_proto_member(members, &field)};
	}
	if (cursor.problem != NULL)
	{
		pfree(*entries);
		return -1;
	}
	*entries = sort_entries(*entries, count);
	return count;
}

static void
append_unknown(StringInfo out, const CdrProtoField *field)
{
	switch (field->type)
	{
		case CDR_PROTO_VARINT:
			appendStringInfo(out, UINT64_FORMAT, field->value);
			break;
		case CDR_PROTO_I64:
			appendStringInfo(out, "\"0x%08x%08x\"",
							 (uint32) (field->value >> 32),
							 (uint32) field->value);
			break;
		case CDR_PROTO_I32:
			appendStringInfo(out, "\"0x%08x\"", (uint32) field->value);
			break;
		case CDR_PROTO_GROUP:
			(void) append_message(out, field->bytes, cdr_proto_members(NULL));
			break;
		case CDR_PROTO_LEN:
		case CDR_PROTO_GROUP_END:
			append_text_or_hex(out, field->bytes,
							   looks_like_text(field->bytes));
			break;
	}
}

static void
append_message_or_hex(StringInfo out, CdrProtoSpan bytes,
					  const CdrProtoMember *members)
{
	if (!append_message(out, bytes, members))
		append_hex(out, bytes);
}

static void
append_known(StringInfo out, const CdrProtoMember *known,
			 const CdrProtoField *field)
{
	switch (known->kind)
	{
		case CDR_PROTO_STRING:
		case CDR_PROTO_STRINGS:
			append_text_or_hex(out, field->bytes, is_text(field->bytes));
			break;
		case CDR_PROTO_JSON:
			append_json(out, field->bytes);
			break;
		case CDR_PROTO_INT32:
			appendStringInfo(out, "%d", (int32) (uint32) field->value);
			break;
		case CDR_PROTO_UINT32:
			appendStringInfo(out, "%u", (uint32) field->value);
			break;
		case CDR_PROTO_BOOL:
			appendStringInfoString(out, field->value != 0 ? "true" : "false");
			break;
		case CDR_PROTO_FLOAT:
			append_proto_float(out, (uint32) field->value);
			break;
		case CDR_PROTO_FLOATS:
			append_proto_floats(out, field->bytes);
			break;
		case CDR_PROTO_TIME:
			append_time(out, field->bytes);
			break;
		case CDR_PROTO_MESSAGE:
		case CDR_PROTO_MESSAGES:
		case CDR_PROTO_MEDIA:
		case CDR_PROTO_MAP: /* never: append_map() */
			append_message_or_hex(out, field->bytes, known->message);
			break;
	}
}

/* One entry of a map, as a member; its key is field 1, its value field 2. */
static void
append_map_entry(StringInfo out, CdrProtoSpan entry)
{
	CdrProtoCursor cursor = cdr_proto_cursor(entry);
	CdrProtoField  field;
	CdrProtoSpan   parts[2] = {{NULL, 0}, {NULL, 0}};

	while (cdr_proto_next(&cursor, &field))
	{
		if (field.type == CDR_PROTO_LEN && field.number <= 2)
			parts[field.number - 1] = field.bytes;
	}
	append_text_or_hex(out, parts[0], is_text(parts[0]));
	appendStringInfoString(out, ": ");
	append_text_or_hex(out, parts[1], is_text(parts[1]));
}

/* Is it an entry of the map that field 8 of call.started once was? */
static bool
is_map_entry(CdrProtoSpan entry)
{
	CdrProtoCursor cursor = cdr_proto_cursor(entry);
	CdrProtoField  field;

	while (cdr_proto_next(&cursor, &field))
	{
		if (field.number == 2 && field.type == CDR_PROTO_LEN)
			return true;
	}
	return false;
}

/* All of a field that are one message, or one list of floats: joined. */
static CdrProtoSpan
join_entries(const ShownEntry *entries, int count)
{
	StringInfoData joined;

	if (count == 1)
		return entries->field.bytes;
	initStringInfo(&joined);
	for (int i = 0; i < count; i++)
		appendBinaryStringInfo(&joined,
							   (const char *) entries[i].field.bytes.start,
							   (int) entries[i].field.bytes.length);
	return (CdrProtoSpan){(unsigned char *) joined.data, joined.len};
}

static void
append_array(StringInfo out, const ShownEntry *entries, int count)
{
	appendStringInfoChar(out, '[');
	for (int i = 0; i < count; i++)
	{
		CDR_CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoString(out, ", ");
		if (entries[i].known != NULL)
			append_known(out, entries[i].known, &entries[i].field);
		else
			append_unknown(out, &entries[i].field);
	}
	appendStringInfoChar(out, ']');
}

static void
append_map(StringInfo out, const ShownEntry *entries, int count)
{
	appendStringInfoChar(out, '{');
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoString(out, ", ");
		append_map_entry(out, entries[i].field.bytes);
	}
	appendStringInfoChar(out, '}');
}

/* One member: all entries of one field. */
static void
append_member(StringInfo out, const ShownEntry *entries, int count)
{
	const CdrProtoMember *known = entries->known;
	CdrProtoField		  last = entries[count - 1].field;

	if (known == NULL)
	{
		appendStringInfo(out, "\"%u\": ", entries->field.number);
		if (count > 1)
			append_array(out, entries, count);
		else
			append_unknown(out, &last);
		return;
	}
	appendStringInfo(out, "\"%s\": ", known->name);
	if (known->kind == CDR_PROTO_STRINGS || known->kind == CDR_PROTO_MESSAGES)
		append_array(out, entries, count);
	else if (known->kind == CDR_PROTO_MAP ||
			 (known->kind == CDR_PROTO_MEDIA && is_map_entry(last.bytes)))
		append_map(out, entries, count);
	else
	{
		if (known->kind == CDR_PROTO_MESSAGE ||
			known->kind == CDR_PROTO_MEDIA || known->kind == CDR_PROTO_TIME ||
			known->kind == CDR_PROTO_FLOATS)
			last.bytes = join_entries(entries, count);
		append_known(out, known, &last);
	}
}

/* False, with nothing appended, for what is no message. */
static bool
append_message(StringInfo out, CdrProtoSpan bytes,
			   const CdrProtoMember *members)
{
	ShownEntry *entries;
	int			count = find_entries(bytes, members, &entries);
	int			first = 0;

	if (count < 0)
		return false;
	appendStringInfoChar(out, '{');
	while (first < count)
	{
		int next = first + 1;

		CDR_CHECK_FOR_INTERRUPTS();
		while (next < count &&
			   entries[next].field.number == entries[first].field.number &&
			   entries[next].known == entries[first].known)
			next++;
		if (first > 0)
			appendStringInfoString(out, ", ");
		append_member(out, entries + first, next - first);
		first = next;
	}
	appendStringInfoChar(out, '}');
	pfree(entries);
	return true;
}

const CdrReason *
cdr_protobuf_json(const char *body, size_t length, const char *type,
				  StringInfo out)
{
	CdrProtoSpan	 bytes = {(const unsigned char *) body, length};
	const char		*layout;
	const CdrReason *reason = cdr_protobuf_layout(body, length, type, &layout);

	if (reason == NULL)
		(void) append_message(out, bytes, cdr_proto_members(layout));
	return reason;
}
