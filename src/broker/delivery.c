/*-------------------------------------------------------------------------
 *
 * delivery.c
 *	  From AMQP frames to messages.
 *
 * A message comes as a basic.deliver method, a content header and as many
 * body frames as it takes.  librabbitmq can assemble that by itself, but
 * waits without limit for the frames to come, and chokes for ever on headers
 * that a publisher made badly; so it is done here, frame by frame.
 *
 * Nothing that a frame announces is believed: the body grows with the bytes
 * that come, and of a giant only the start is kept.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"

#include "utils/json.h"
#include "utils/timestamp.h"
#endif

#include <math.h>

#include "mb/pg_wchar.h"

#include "base/identity.h"
#include "broker/delivery.h"

/* Tables in headers that nest deeper than this are shown as "...". */
#define HEADER_DEPTH_MAX 8

/* The last second of the year 9999, in seconds since 1970. */
#define UNIX_SECONDS_MAX INT64CONST(253402300799)

/* Keeps the buffers of a large message no longer than needed. */
#define BUFFER_KEPT (256 * 1024)

void
cdr_assembly_init(CdrAssembly *assembly)
{
	memset(assembly, 0, sizeof(CdrAssembly));
	initStringInfo(&assembly->texts);
	initStringInfo(&assembly->body);
	cdr_assembly_reset(assembly);
}

static void
reset_buffer(StringInfo buffer)
{
	if (buffer->maxlen > BUFFER_KEPT)
	{
		/* the context is that of the first allocation: repalloc stays there */
		buffer->data = repalloc(buffer->data, 1024);
		buffer->maxlen = 1024;
	}
	resetStringInfo(buffer);
}

void
cdr_assembly_reset(CdrAssembly *assembly)
{
	assembly->state = CDR_EXPECT_METHOD;
	assembly->body_size = 0;
	assembly->body_seen = 0;
	assembly->exchange = -1;
	assembly->routing_key = -1;
	assembly->content_type = -1;
	assembly->content_encoding = -1;
	assembly->type = -1;
	assembly->headers = -1;
	assembly->message_id = -1;
	assembly->message_id_length = 0;
	assembly->property_time = CDR_NO_TIME;
	assembly->delivery_count = 0;
	reset_buffer(&assembly->texts);
	reset_buffer(&assembly->body);
	if (assembly->identity != NULL)
		cdr_identity_end(assembly->identity, NULL);
	assembly->identity = NULL;
}

/*
 * Appends bytes as text: what is not UTF-8, and NUL, as \xNN.  With ascii,
 * also what is not ASCII.
 */
static void
append_printable(StringInfo out, amqp_bytes_t bytes, bool ascii)
{
	const unsigned char *p = bytes.bytes;
	const unsigned char *end = p + bytes.len;

	while (p < end)
	{
		int length = *p == '\0'
						 ? -1
						 : pg_encoding_verifymbchar(PG_UTF8, (const char *) p,
													(int) (end - p));

		if (length < 1 || (ascii && length > 1))
			appendStringInfo(out, "\\x%02x", *p++);
		else
		{
			appendBinaryStringInfo(out, (const char *) p, length);
			p += length;
		}
	}
}

/* ------------------------------------------------------------------------
 * Headers as JSON, for dead letters
 * ------------------------------------------------------------------------
 */

static void append_table(StringInfo out, amqp_table_t table, int depth);

static void
append_string(StringInfo out, amqp_bytes_t bytes)
{
	StringInfoData text;

	initStringInfo(&text);
	append_printable(&text, bytes, true);
	escape_json(out, text.data);
	pfree(text.data);
}

/* JSON has no infinities and no NaN: they go as strings. */
static void
append_float(StringInfo out, double value)
{
	if (isfinite(value))
		appendStringInfo(out, "%.17g", value);
	else
		appendStringInfo(out, "\"%f\"", value);
}

static void
append_value(StringInfo out, const amqp_field_value_t *field, int depth)
{
	switch (field->kind)
	{
		case AMQP_FIELD_KIND_BOOLEAN:
			appendStringInfoString(out,
								   field->value.boolean ? "true" : "false");
			break;
		case AMQP_FIELD_KIND_I8:
			appendStringInfo(out, "%d", field->value.i8);
			break;
		case AMQP_FIELD_KIND_U8:
			appendStringInfo(out, "%u", field->value.u8);
			break;
		case AMQP_FIELD_KIND_I16:
			appendStringInfo(out, "%d", field->value.i16);
			break;
		case AMQP_FIELD_KIND_U16:
			appendStringInfo(out, "%u", field->value.u16);
			break;
		case AMQP_FIELD_KIND_I32:
			appendStringInfo(out, "%d", field->value.i32);
			break;
		case AMQP_FIELD_KIND_U32:
			appendStringInfo(out, "%u", field->value.u32);
			break;
		case AMQP_FIELD_KIND_I64:
			appendStringInfo(out, INT64_FORMAT, (int64) field->value.i64);
			break;
		case AMQP_FIELD_KIND_U64:
		case AMQP_FIELD_KIND_TIMESTAMP:
			appendStringInfo(out, UINT64_FORMAT, (uint64) field->value.u64);
			break;
		case AMQP_FIELD_KIND_F32:
			append_float(out, field->value.f32);
			break;
		case AMQP_FIELD_KIND_F64:
			append_float(out, field->value.f64);
			break;
		case AMQP_FIELD_KIND_UTF8:
		case AMQP_FIELD_KIND_BYTES:
			append_string(out, field->value.bytes);
			break;
		case AMQP_FIELD_KIND_TABLE:
			append_table(out, field->value.table, depth + 1);
			break;
		case AMQP_FIELD_KIND_ARRAY:
			if (depth >= HEADER_DEPTH_MAX)
			{
				appendStringInfoString(out, "\"...\"");
				break;
			}
			appendStringInfoChar(out, '[');
			for (int i = 0; i < field->value.array.num_entries; i++)
			{
				if (i > 0)
					appendStringInfoString(out, ", ");
				append_value(out, &field->value.array.entries[i], depth + 1);
			}
			appendStringInfoChar(out, ']');
			break;
		default:
			appendStringInfoString(out, "null");
			break;
	}
}

static void
append_table(StringInfo out, amqp_table_t table, int depth)
{
	if (depth >= HEADER_DEPTH_MAX)
	{
		appendStringInfoString(out, "\"...\"");
		return;
	}
	appendStringInfoChar(out, '{');
	for (int i = 0; i < table.num_entries; i++)
	{
		if (i > 0)
			appendStringInfoString(out, ", ");
		append_string(out, table.entries[i].key);
		appendStringInfoString(out, ": ");
		append_value(out, &table.entries[i].value, depth);
	}
	appendStringInfoChar(out, '}');
}

/* ------------------------------------------------------------------------
 * Frames
 * ------------------------------------------------------------------------
 */

/* A copy in context, NUL-terminated. */
static char *
copy_buffer(const StringInfoData *buffer, MemoryContext context)
{
	char *copy = MemoryContextAlloc(context, buffer->len + 1);

	memcpy(copy, buffer->data, buffer->len + 1);
	return copy;
}

/* Where a text begins in a copy of all of them, or NULL. */
static const char *
text_at(const char *texts, int offset)
{
	return offset < 0 ? NULL : texts + offset;
}

/* Adds a text to the others; returns where it begins. */
static int
add_text(CdrAssembly *assembly, amqp_bytes_t bytes)
{
	int offset = assembly->texts.len;

	append_printable(&assembly->texts, bytes, false);
	appendStringInfoChar(&assembly->texts, '\0');
	return offset;
}

static CdrAssembled
complete(CdrAssembly *assembly, MemoryContext context, uint64 *tag,
		 CdrMessage *message)
{
	const char *texts;

	memset(message, 0, sizeof(CdrMessage));
	message->received_at = GetCurrentTimestamp();
	message->property_time = assembly->property_time;
	message->redelivered = assembly->redelivered;
	message->delivery_count = assembly->delivery_count;
	message->body_size = assembly->body_size;
	message->body = copy_buffer(&assembly->body, context);
	message->body_length = assembly->body.len;
	texts = copy_buffer(&assembly->texts, context);
	message->exchange = text_at(texts, assembly->exchange);
	message->routing_key = text_at(texts, assembly->routing_key);
	message->content_type = text_at(texts, assembly->content_type);
	message->content_encoding = text_at(texts, assembly->content_encoding);
	message->type = text_at(texts, assembly->type);
	message->headers = text_at(texts, assembly->headers);
	message->message_id = text_at(texts, assembly->message_id);
	message->message_id_length = assembly->message_id_length;
	if (assembly->identity != NULL)
	{
		pg_uuid_t *id = MemoryContextAlloc(context, sizeof(pg_uuid_t));

		cdr_identity_end(assembly->identity, id);
		message->id = id;
		assembly->identity = NULL;
	}
	*tag = assembly->tag;
	cdr_assembly_reset(assembly);
	return CDR_COMPLETE;
}

static CdrAssembled
add_deliver(CdrAssembly *assembly, const amqp_basic_deliver_t *deliver)
{
	cdr_assembly_reset(assembly);
	assembly->tag = deliver->delivery_tag;
	assembly->redelivered = deliver->redelivered;
	assembly->exchange = add_text(assembly, deliver->exchange);
	assembly->routing_key = add_text(assembly, deliver->routing_key);
	assembly->state = CDR_EXPECT_HEADER;
	return CDR_INCOMPLETE;
}

/* How often a quorum queue has delivered the message before. */
static int64
delivery_count(amqp_table_t headers)
{
	static const char name[] = "x-delivery-count";

	for (int i = 0; i < headers.num_entries; i++)
	{
		const amqp_table_entry_t *header = &headers.entries[i];

		if (header->value.kind == AMQP_FIELD_KIND_I64 &&
			header->key.len == strlen(name) &&
			memcmp(header->key.bytes, name, header->key.len) == 0)
			return header->value.value.i64;
	}
	return 0;
}

/* AMQP's timestamp, in seconds since 1970, as the server's; or none. */
static TimestampTz
time_from_unix(uint64 seconds)
{
	if (seconds == 0 || seconds > UNIX_SECONDS_MAX)
		return CDR_NO_TIME;
	return ((int64) seconds -
			(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) *
		   USECS_PER_SEC;
}

static void
add_properties(CdrAssembly					 *assembly,
			   const amqp_basic_properties_t *properties)
{
	StringInfo texts = &assembly->texts;

	if (properties->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG)
		assembly->content_type = add_text(assembly, properties->content_type);
	if (properties->_flags & AMQP_BASIC_CONTENT_ENCODING_FLAG)
		assembly->content_encoding =
			add_text(assembly, properties->content_encoding);
	if (properties->_flags & AMQP_BASIC_TYPE_FLAG)
		assembly->type = add_text(assembly, properties->type);
	if (properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG)
	{
		assembly->message_id = texts->len;
		assembly->message_id_length = properties->message_id.len;
		appendBinaryStringInfo(texts, properties->message_id.bytes,
							   (int) properties->message_id.len);
		appendStringInfoChar(texts, '\0');
	}
	if (properties->_flags & AMQP_BASIC_TIMESTAMP_FLAG)
		assembly->property_time = time_from_unix(properties->timestamp);
	if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) &&
		properties->headers.num_entries > 0)
	{
		assembly->headers = texts->len;
		append_table(texts, properties->headers, 0);
		appendStringInfoChar(texts, '\0');
		if (assembly->redelivered)
			assembly->delivery_count = delivery_count(properties->headers);
	}
}

static CdrAssembled
add_header(CdrAssembly *assembly, const amqp_frame_t *frame)
{
	if (frame->payload.properties.class_id != AMQP_BASIC_CLASS)
		return CDR_MALFORMED;
	add_properties(assembly, frame->payload.properties.decoded);
	assembly->body_size = frame->payload.properties.body_size;
	if (assembly->body_size > CDR_BODY_MAX)
	{
		assembly->identity = cdr_identity_begin();
		cdr_identity_add(assembly->identity,
						 assembly->texts.data + Max(assembly->message_id, 0),
						 assembly->message_id_length);
	}
	assembly->state = CDR_EXPECT_BODY;
	return CDR_INCOMPLETE;
}

static CdrAssembled
add_body(CdrAssembly *assembly, amqp_bytes_t piece)
{
	size_t wanted = piece.len;

	assembly->body_seen += piece.len;
	if (assembly->body_seen > assembly->body_size)
		return CDR_MALFORMED;
	if (assembly->identity != NULL)
	{
		cdr_identity_add(assembly->identity, piece.bytes, piece.len);
		wanted = Min(wanted, (size_t) (CDR_BODY_START - assembly->body.len));
	}
	appendBinaryStringInfo(&assembly->body, piece.bytes, (int) wanted);
	return CDR_INCOMPLETE;
}

CdrAssembled
cdr_assembly_add(CdrAssembly *assembly, const amqp_frame_t *frame,
				 MemoryContext context, uint64 *tag, CdrMessage *message)
{
	CdrAssembled result = CDR_MALFORMED;

	if (frame->frame_type == AMQP_FRAME_METHOD &&
		frame->payload.method.id == AMQP_BASIC_DELIVER_METHOD &&
		assembly->state == CDR_EXPECT_METHOD)
		result = add_deliver(assembly, frame->payload.method.decoded);
	else if (frame->frame_type == AMQP_FRAME_HEADER &&
			 assembly->state == CDR_EXPECT_HEADER)
		result = add_header(assembly, frame);
	else if (frame->frame_type == AMQP_FRAME_BODY &&
			 assembly->state == CDR_EXPECT_BODY)
		result = add_body(assembly, frame->payload.body_fragment);

	if (result == CDR_INCOMPLETE && assembly->state == CDR_EXPECT_BODY &&
		assembly->body_seen == assembly->body_size)
		return complete(assembly, context, tag, message);
	return result;
}
