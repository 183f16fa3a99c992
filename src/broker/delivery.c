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

#include "utils/memutils.h"
#include "utils/timestamp.h"
#endif

#include "mb/pg_wchar.h"

#include "base/epoch.h"
#include "base/identity.h"
#include "base/properties.h"
#include "broker/delivery.h"

/* Keeps the buffers of a large message no longer than needed. */
#define BUFFER_KEPT (256 * 1024)

void
cdr_assembly_init(CdrAssembly *assembly)
{
	memset(assembly, 0, sizeof(CdrAssembly));
	initStringInfo(&assembly->texts);
	initStringInfo(&assembly->properties);
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
	assembly->message_id = -1;
	assembly->message_id_length = 0;
	assembly->property_time = CDR_NO_TIME;
	assembly->delivery_count = 0;
	reset_buffer(&assembly->texts);
	reset_buffer(&assembly->properties);
	reset_buffer(&assembly->body);
	if (assembly->identity != NULL)
		cdr_identity_end(assembly->identity, NULL);
	assembly->identity = NULL;
}

/* Appends bytes as text: what is not UTF-8, and NUL, as \xNN. */
static void
append_printable(StringInfo out, const unsigned char *bytes, size_t count)
{
	const unsigned char *end = bytes + count;

	while (bytes < end)
	{
		int length =
			*bytes == '\0'
				? -1
				: pg_encoding_verifymbchar(PG_UTF8, (const char *) bytes,
										   (int) (end - bytes));

		if (length < 1)
			appendStringInfo(out, "\\x%02x", *bytes++);
		else
		{
			appendBinaryStringInfo(out, (const char *) bytes, length);
			bytes += length;
		}
	}
}

/* ------------------------------------------------------------------------
 * Frames
 * ------------------------------------------------------------------------
 */

/* Where a text begins in a copy of all of them, or NULL. */
static const char *
text_at(const char *texts, int offset)
{
	return offset < 0 ? NULL : texts + offset;
}

/* Adds a text to the others; returns where it begins. */
static int
add_text(CdrAssembly *assembly, const void *bytes, size_t count)
{
	int offset = assembly->texts.len;

	append_printable(&assembly->texts, bytes, count);
	appendStringInfoChar(&assembly->texts, '\0');
	return offset;
}

/* The same of a property that may be absent. */
static int
add_property(CdrAssembly *assembly, CdrBytes property)
{
	return property.start == NULL
			   ? -1
			   : add_text(assembly, property.start, property.length);
}

/* Copies a buffer to *at, and moves that behind it. */
static const char *
put_buffer(char **at, const StringInfoData *buffer)
{
	char *copy = *at;

	memcpy(copy, buffer->data, buffer->len);
	*at += buffer->len;
	return copy;
}

/* All that a message points to is one piece of memory: it can be counted. */
static void
copy_buffers(const CdrAssembly *assembly, MemoryContext context,
			 CdrMessage *message)
{
	size_t size = sizeof(pg_uuid_t) + assembly->body.len +
				  assembly->properties.len + assembly->texts.len;
	char	   *at = MemoryContextAlloc(context, size);
	pg_uuid_t  *id = (pg_uuid_t *) at;
	const char *texts;

	message->held = GetMemoryChunkSpace(at);
	at += sizeof(pg_uuid_t);
	message->body = put_buffer(&at, &assembly->body);
	message->body_length = assembly->body.len;
	message->properties = put_buffer(&at, &assembly->properties);
	message->properties_length = assembly->properties.len;
	message->message_id = text_at(message->properties, assembly->message_id);
	message->message_id_length = assembly->message_id_length;
	texts = put_buffer(&at, &assembly->texts);
	message->exchange = text_at(texts, assembly->exchange);
	message->routing_key = text_at(texts, assembly->routing_key);
	message->content_type = text_at(texts, assembly->content_type);
	message->content_encoding = text_at(texts, assembly->content_encoding);
	message->type = text_at(texts, assembly->type);
	if (assembly->identity != NULL)
	{
		cdr_identity_end(assembly->identity, id);
		message->id = id;
	}
}

static CdrAssembled
complete(CdrAssembly *assembly, MemoryContext context, uint64 *tag,
		 CdrMessage *message)
{
	memset(message, 0, sizeof(CdrMessage));
	message->received_at = GetCurrentTimestamp();
	message->property_time = assembly->property_time;
	message->redelivered = assembly->redelivered;
	message->delivery_count = assembly->delivery_count;
	message->body_size = assembly->body_size;
	copy_buffers(assembly, context, message);
	assembly->identity = NULL;
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
	assembly->exchange =
		add_text(assembly, deliver->exchange.bytes, deliver->exchange.len);
	assembly->routing_key = add_text(assembly, deliver->routing_key.bytes,
									 deliver->routing_key.len);
	assembly->state = CDR_EXPECT_HEADER;
	return CDR_INCOMPLETE;
}

static CdrAssembled
add_header(CdrAssembly *assembly, const amqp_frame_t *frame)
{
	amqp_bytes_t  list = frame->payload.properties.raw;
	CdrProperties properties;

	if (frame->payload.properties.class_id != AMQP_BASIC_CLASS ||
		!cdr_properties_parse(list.bytes, list.len, &properties))
		return CDR_MALFORMED;
	appendBinaryStringInfo(&assembly->properties, list.bytes, (int) list.len);
	assembly->content_type = add_property(assembly, properties.content_type);
	assembly->content_encoding =
		add_property(assembly, properties.content_encoding);
	assembly->type = add_property(assembly, properties.type);
	if (properties.message_id.start != NULL)
	{
		assembly->message_id =
			(int) (properties.message_id.start - (const uint8 *) list.bytes);
		assembly->message_id_length = properties.message_id.length;
	}
	assembly->property_time =
		cdr_epoch_of_property(cdr_properties_timestamp(&properties));
	if (assembly->redelivered)
		assembly->delivery_count = cdr_properties_delivery_count(&properties);

	assembly->body_size = frame->payload.properties.body_size;
	if (assembly->body_size > CDR_BODY_MAX)
		assembly->identity =
			cdr_identity_begin((const char *) properties.message_id.start,
							   properties.message_id.length);
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
