/*-------------------------------------------------------------------------
 *
 * frames.c
 *	  Takes bytes as they could come from a broker, as far as to messages.
 *
 * frame_check.c and delivery.c are the server's; what decodes methods between
 * them is librabbitmq as it is installed, not built with the sanitizers.  Its input
 * lies in memory that ends where the frame ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "broker/delivery.h"
#include "broker/frame_check.h"
#include "frames.h"
#include "promise.h"
#include "properties.h"

#define FRAME_MAX 131072

/* ------------------------------------------------------------------------
 * What delivery.c has of the server
 * ------------------------------------------------------------------------
 */

TimestampTz
GetCurrentTimestamp(void)
{
	return INT64CONST(789000000000000);
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc(size);
}

/* (not asked of what is held, only that somebody counts) */
Size
GetMemoryChunkSpace(void *pointer)
{
	return 1;
}

/* ------------------------------------------------------------------------
 * Promises
 * ------------------------------------------------------------------------
 */

static void
check_message(const CdrMessage *message, size_t length)
{
	int key_length = (int) strlen(message->routing_key);

	PROMISE(message->body_length <= message->body_size);
	PROMISE(message->body_length <= length);
	PROMISE(message->body_size > CDR_BODY_MAX ||
			message->body_length == message->body_size);
	PROMISE(message->body_size <= CDR_BODY_MAX || message->id != NULL);
	PROMISE(pg_encoding_verifymbstr(PG_UTF8, message->routing_key,
									key_length) == key_length);
	PROMISE(message->message_id_length <= 255);
	PROMISE(message->properties_length <= length);
	PROMISE(cdr_message_size(message) > sizeof(CdrMessage));
	harness_properties(message);
}

/* A verdict does not depend on what comes behind, nor on when it comes. */
static void
check_pieces(const uint8 *bytes, size_t length, const CdrFrameCheck *whole)
{
	for (size_t part = 0; part < whole->length; part += part / 4 + 1)
	{
		CdrFrameCheck check;
		uint8		 *copy = palloc(part + 1);

		memcpy(copy, bytes, part);
		PROMISE(cdr_frame_check(copy, part, FRAME_MAX, &check) ==
				CDR_FRAME_PART);
		pfree(copy);
	}
	PROMISE(whole->length <= length && whole->length <= FRAME_MAX);
}

/* ------------------------------------------------------------------------
 * The way of the bytes
 * ------------------------------------------------------------------------
 */

/* A connection without a socket: the decoder, tuned as the worker tunes it. */
static amqp_connection_state_t
new_decoder(void)
{
	static uint8			close_ok[] = {1, 0, 0,	0, 0,  0,
										  4, 0, 10, 0, 51, AMQP_FRAME_END};
	amqp_connection_state_t decoder = amqp_new_connection();
	amqp_bytes_t			bytes = {sizeof(close_ok), close_ok};
	amqp_frame_t			frame;

	if (decoder == NULL ||
		amqp_handle_input(decoder, bytes, &frame) != sizeof(close_ok) ||
		amqp_tune_connection(decoder, 1, FRAME_MAX, 0) != AMQP_STATUS_OK)
		abort();
	return decoder;
}

/* Decodes one frame and adds it.  False, with the reason, if that ends it. */
static bool
take_frame(amqp_connection_state_t decoder, CdrAssembly *assembly,
		   uint8 *bytes, const CdrFrameCheck *check, size_t total,
		   FramesOutcome *outcome)
{
	amqp_frame_t frame;
	uint64		 tag;

	amqp_maybe_release_buffers(decoder);
	if (cdr_frame_decode(decoder, bytes, check->length, &frame) < 0)
	{
		outcome->end = "cannot be decoded";
		return false;
	}
	PROMISE(frame.frame_type == bytes[0]);
	outcome->frames++;
	if (frame.frame_type == AMQP_FRAME_HEARTBEAT ||
		(frame.frame_type == AMQP_FRAME_METHOD &&
		 frame.payload.method.id != AMQP_BASIC_DELIVER_METHOD))
		return true;
	switch (cdr_assembly_add(assembly, &frame, NULL, &tag, &outcome->last))
	{
		case CDR_COMPLETE:
			outcome->messages++;
			check_message(&outcome->last, total);
			return true;
		case CDR_INCOMPLETE:
			return true;
		case CDR_MALFORMED:
			break;
	}
	outcome->end = "frames that do not follow each other";
	return false;
}

void
harness_frames(const uint8 *bytes, size_t length, FramesOutcome *outcome)
{
	amqp_connection_state_t decoder = new_decoder();
	CdrAssembly				assembly;
	size_t					at = 0;
	bool					more = true;

	memset(outcome, 0, sizeof(*outcome));
	cdr_assembly_init(&assembly);
	while (more)
	{
		CdrFrameCheck check;
		size_t		  left = length - at;
		uint8		 *copy = palloc(left + 1);

		/* (the end of the copy is the end of what has come) */
		memcpy(copy + 1, bytes + at, left);
		switch (cdr_frame_check(copy + 1, left, FRAME_MAX, &check))
		{
			case CDR_FRAME_WHOLE:
				check_pieces(bytes + at, left, &check);
				more = take_frame(decoder, &assembly, copy + 1, &check, length,
								  outcome);
				at += check.length;
				break;
			case CDR_FRAME_PART:
				PROMISE(left < FRAME_MAX);
				more = false;
				break;
			case CDR_FRAME_BAD:
				PROMISE(strlen(check.error) > 0 &&
						strlen(check.error) < sizeof(check.error));
				outcome->end = pstrdup(check.error);
				more = false;
				break;
		}
		pfree(copy);
	}
	cdr_assembly_reset(&assembly);
	(void) amqp_destroy_connection(decoder);
}
