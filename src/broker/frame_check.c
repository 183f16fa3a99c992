/*-------------------------------------------------------------------------
 *
 * frame_check.c
 *	  Looks at a raw AMQP frame before librabbitmq decodes it.
 *
 * The decoder of librabbitmq believes much.  Until 0.14 it recurses once for
 * each array in an array, and a frame of 128 KiB has room for 26,000 of them,
 * which takes more than 2 MB of stack; it counts down from the length of a
 * frame without a look whether it is long enough; it keeps memory for each
 * channel that is named.
 * A crash in it would restart the whole database cluster, and any publisher
 * can have the broker pass headers on to us.  So what reaches the decoder has
 * been through here: plain C over bytes, without allocation, whose depth is
 * limited.
 *
 * What only a broker can do wrong ends the session.  What a publisher can do
 * wrong must not, or that one message would come again and again and block all
 * others.  So the decoder gets methods only: the properties of a message, and
 * its body, are taken as they are, without a copy, whatever a publisher made of
 * them (see base/properties.c).
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/properties.h"
#include "broker/frame_check.h"

/* Bytes before the payload of a frame, and the byte behind it. */
#define FRAME_HEADER_LENGTH 7

/* The only channel but 0 that a session has. */
#define CHANNEL_MAX 1

/* Tables within tables that are passed on. */
#define NESTING_MAX 32

/* Bytes of a content header before its properties: class, weight, size. */
#define CONTENT_PREFIX	12
#define FLAG_MORE_FLAGS (1 << 0)

/* Bytes that are left to read; NULL once somebody read beyond their end. */
typedef struct FrameReader
{
	const uint8 *at;
	const uint8 *end;
} FrameReader;

static uint16
get16(const uint8 *bytes)
{
	return (uint16) (bytes[0] << 8 | bytes[1]);
}

static uint32
get32(const uint8 *bytes)
{
	return (uint32) get16(bytes) << 16 | get16(bytes + 2);
}

static bool
skip(FrameReader *reader, size_t count)
{
	if (reader->at == NULL || (size_t) (reader->end - reader->at) < count)
	{
		reader->at = NULL;
		return false;
	}
	reader->at += count;
	return true;
}

static bool
skip_short_string(FrameReader *reader)
{
	return skip(reader, 1) && skip(reader, reader->at[-1]);
}

/* What a 32-bit length says that follows, as a reader of its own. */
static bool
enter_long(FrameReader *reader, FrameReader *inner)
{
	if (!skip(reader, 4))
		return false;
	inner->at = reader->at;
	if (!skip(reader, get32(reader->at - 4)))
		return false;
	inner->end = reader->at;
	return true;
}

static bool is_sound_table(FrameReader table, int depth);
static bool is_sound_array(FrameReader array, int depth);

/* Skips a value of a table; false if it is none that the decoder knows. */
static bool
skip_value(FrameReader *reader, int depth)
{
	FrameReader inner;

	if (!skip(reader, 1))
		return false;
	switch (reader->at[-1])
	{
		case AMQP_FIELD_KIND_VOID:
			return true;
		case AMQP_FIELD_KIND_BOOLEAN:
		case AMQP_FIELD_KIND_I8:
		case AMQP_FIELD_KIND_U8:
			return skip(reader, 1);
		case AMQP_FIELD_KIND_I16:
		case AMQP_FIELD_KIND_U16:
			return skip(reader, 2);
		case AMQP_FIELD_KIND_I32:
		case AMQP_FIELD_KIND_U32:
		case AMQP_FIELD_KIND_F32:
			return skip(reader, 4);
		case AMQP_FIELD_KIND_DECIMAL:
			return skip(reader, 5);
		case AMQP_FIELD_KIND_I64:
		case AMQP_FIELD_KIND_U64:
		case AMQP_FIELD_KIND_F64:
		case AMQP_FIELD_KIND_TIMESTAMP:
			return skip(reader, 8);
		case AMQP_FIELD_KIND_UTF8:
		case AMQP_FIELD_KIND_BYTES:
			return enter_long(reader, &inner);
		case AMQP_FIELD_KIND_TABLE:
			return enter_long(reader, &inner) &&
				   is_sound_table(inner, depth + 1);
		case AMQP_FIELD_KIND_ARRAY:
			return enter_long(reader, &inner) &&
				   is_sound_array(inner, depth + 1);
		default:
			return false;
	}
}

static bool
is_sound_table(FrameReader table, int depth)
{
	if (depth > NESTING_MAX)
		return false;
	while (table.at < table.end)
	{
		if (!skip_short_string(&table) || !skip_value(&table, depth))
			return false;
	}
	return true;
}

static bool
is_sound_array(FrameReader array, int depth)
{
	if (depth > NESTING_MAX)
		return false;
	while (array.at < array.end)
	{
		if (!skip_value(&array, depth))
			return false;
	}
	return true;
}

/* Notes what a bad frame is.  Always false, for the caller to return. */
static bool
bad(CdrFrameCheck *check, const char *error)
{
	strlcpy(check->error, error, sizeof(check->error));
	return false;
}

/*
 * A method: one of those that a broker sends to a consumer.  The others have
 * no business here, and their arguments are not worth the decoding.
 */
static bool
check_method(FrameReader payload, CdrFrameCheck *check)
{
	FrameReader table;

	if (!skip(&payload, 4))
		return bad(check, "a method that is cut short");
	switch (get32(payload.at - 4))
	{
		case AMQP_CONNECTION_START_METHOD:
			if (!skip(&payload, 2) || !enter_long(&payload, &table) ||
				!is_sound_table(table, 1))
				return bad(check, "properties that cannot be read");
			return true;
		case AMQP_CONNECTION_SECURE_METHOD:
		case AMQP_CONNECTION_TUNE_METHOD:
		case AMQP_CONNECTION_OPEN_OK_METHOD:
		case AMQP_CONNECTION_CLOSE_METHOD:
		case AMQP_CONNECTION_CLOSE_OK_METHOD:
		case AMQP_CONNECTION_BLOCKED_METHOD:
		case AMQP_CONNECTION_UNBLOCKED_METHOD:
		case AMQP_CHANNEL_OPEN_OK_METHOD:
		case AMQP_CHANNEL_FLOW_METHOD:
		case AMQP_CHANNEL_CLOSE_METHOD:
		case AMQP_CHANNEL_CLOSE_OK_METHOD:
		case AMQP_EXCHANGE_DECLARE_OK_METHOD:
		case AMQP_QUEUE_DECLARE_OK_METHOD:
		case AMQP_QUEUE_BIND_OK_METHOD:
		case AMQP_QUEUE_UNBIND_OK_METHOD:
		case AMQP_BASIC_QOS_OK_METHOD:
		case AMQP_BASIC_CONSUME_OK_METHOD:
		case AMQP_BASIC_CANCEL_METHOD:
		case AMQP_BASIC_CANCEL_OK_METHOD:
		case AMQP_BASIC_DELIVER_METHOD:
			return true;
		default:
			snprintf(check->error, sizeof(check->error),
					 "unexpected method 0x%08X", get32(payload.at - 4));
			return false;
	}
}

/* A content header: class, weight, size of the body, and properties. */
static bool
check_content_header(FrameReader payload, CdrFrameCheck *check)
{
	CdrProperties properties;

	if (!skip(&payload, CONTENT_PREFIX))
		return bad(check, "a content header that is cut short");
	if (get16(payload.at - CONTENT_PREFIX) != AMQP_BASIC_CLASS)
		return bad(check, "a content header of another class");
	if (!cdr_properties_parse(payload.at, payload.end - payload.at,
							  &properties))
		return bad(check, "a content header that is cut short");
	if (get16(payload.at) & FLAG_MORE_FLAGS)
		return bad(check, "properties that AMQP does not have");
	return true;
}

/* The start of a frame: its type, its channel and how long it will be. */
static bool
check_start(const uint8 *bytes, size_t frame_max, CdrFrameCheck *check)
{
	uint16 channel = get16(bytes + 1);
	size_t payload = get32(bytes + 3);

	switch (bytes[0])
	{
		case AMQP_FRAME_METHOD:
		case AMQP_FRAME_HEADER:
		case AMQP_FRAME_BODY:
		case AMQP_FRAME_HEARTBEAT:
			break;
		default:
			return bad(check, "something that is no frame of AMQP 0-9-1");
	}
	if (channel > CHANNEL_MAX)
	{
		snprintf(check->error, sizeof(check->error), "a frame on channel %d",
				 channel);
		return false;
	}
	/* versions of the library differ in what they make of those */
	if (bytes[0] == AMQP_FRAME_HEARTBEAT && (channel != 0 || payload != 0))
		return bad(check, "a heartbeat that is none");
	if (payload + CDR_FRAME_OVERHEAD > frame_max)
		return bad(check, "a frame larger than was agreed");
	check->length = payload + CDR_FRAME_OVERHEAD;
	return true;
}

CdrFrameVerdict
cdr_frame_check(const uint8 *bytes, size_t length, size_t frame_max,
				CdrFrameCheck *check)
{
	FrameReader payload;
	bool		sound = true;

	if (length < FRAME_HEADER_LENGTH)
		return CDR_FRAME_PART;
	if (!check_start(bytes, frame_max, check))
		return CDR_FRAME_BAD;
	if (length < check->length)
		return CDR_FRAME_PART;
	if (bytes[check->length - 1] != AMQP_FRAME_END)
	{
		(void) bad(check, "a frame without its end");
		return CDR_FRAME_BAD;
	}

	payload.at = bytes + FRAME_HEADER_LENGTH;
	payload.end = bytes + check->length - 1;
	if (bytes[0] == AMQP_FRAME_METHOD)
		sound = check_method(payload, check);
	else if (bytes[0] == AMQP_FRAME_HEADER)
		sound = check_content_header(payload, check);
	return sound ? CDR_FRAME_WHOLE : CDR_FRAME_BAD;
}

int
cdr_frame_decode(amqp_connection_state_t decoder, uint8 *bytes, size_t length,
				 amqp_frame_t *frame)
{
	uint8 *payload = bytes + FRAME_HEADER_LENGTH;
	size_t left = length - CDR_FRAME_OVERHEAD;
	int	   taken;

	if (bytes[0] == AMQP_FRAME_METHOD)
	{
		taken =
			amqp_handle_input(decoder, (amqp_bytes_t){length, bytes}, frame);
		if (taken < 0)
			return taken;
		return (size_t) taken == length ? 0 : AMQP_STATUS_BAD_AMQP_DATA;
	}
	memset(frame, 0, sizeof(amqp_frame_t));
	frame->frame_type = bytes[0];
	frame->channel = get16(bytes + 1);
	if (bytes[0] == AMQP_FRAME_BODY)
		frame->payload.body_fragment = (amqp_bytes_t){left, payload};
	else if (bytes[0] == AMQP_FRAME_HEADER)
	{
		frame->payload.properties.class_id = get16(payload);
		frame->payload.properties.body_size =
			(uint64) get32(payload + 4) << 32 | get32(payload + 8);
		frame->payload.properties.raw =
			(amqp_bytes_t){left - CONTENT_PREFIX, payload + CONTENT_PREFIX};
	}
	return 0;
}
