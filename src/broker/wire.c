/*-------------------------------------------------------------------------
 *
 * wire.c
 *	  AMQP frames to and from a server, over TCP or TLS.
 *
 * librabbitmq only encodes and decodes here: it is given bytes that have come
 * and gives bytes to be sent, but never sees a socket.  Its own functions that
 * read and write wait inside, some without limit, deaf to signals, and its TLS
 * cannot be used in a process that is not its own (see tls.c).  So there is one
 * way for bytes, in either direction, and TLS is no more than a stage of it:
 *
 *	socket.c -> (tls.c) -> input -> one whole frame -> librabbitmq decodes
 *	librabbitmq encodes -> output -> (tls.c) -> socket.c
 *
 * A frame is looked at before the library is given it (see frame_check.c).
 *
 * Nothing may be left behind when one waits for the socket, neither in the
 * input nor in OpenSSL, for the kernel knows nothing of it.  So "no frame" is
 * said only after a read that had nothing to give; or, so that somebody who
 * sends without an end keeps us from nothing else, after so much that it is
 * time to look around, and then the next wait is none.
 *
 * Heartbeats.  One is sent when nothing else was for half of the interval that
 * was agreed on, and silence of twice the interval is the end; but what has
 * come is read before anybody is called silent, because it may be us who did
 * not look.
 *
 * Memory.  The wire, with its buffers, is its creator's.  A frame is the
 * library's, until the next is asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "miscadmin.h"
#include "port/pg_bswap.h"

#include "base/clock.h"
#include "base/reason.h"
#include "broker/frame_check.h"
#include "broker/socket.h"
#include "broker/tls.h"
#include "broker/wire.h"

/* Milliseconds until a peer that does not answer is given up. */
#define CONNECT_TIMEOUT 5000
#define SEND_TIMEOUT	5000

/* A frame: type, channel and length, as many bytes, and an end. */
#define FRAME_HEADER 7
#define FRAME_END	 1

/* The first bytes of what TLS answers to somebody who does not speak it. */
#define TLS_ALERT	  21
#define TLS_HANDSHAKE 22

/* What is taken before it is time to look around: frames and reads, bytes. */
#define STEPS_MAX 20000
#define BYTES_MAX (32 * 1024 * 1024)

#define INPUT_SIZE	(2 * CDR_FRAME_MAX)
#define OUTPUT_SIZE (16 * 1024)

struct CdrWire
{
	MemoryContext			context; /* of this struct */
	CdrSocket				socket;
	CdrTls				   *tls;	 /* NULL: none */
	amqp_connection_state_t codec;	 /* NULL: not connected */
	uint32					wanted;	 /* socket events that a read waits for, */
	uint32					owed;	 /* and those that the output does */
	bool					greeted; /* a frame has come */
	uint32					frame_max;

	int	   steps; /* since we looked around last */
	size_t bytes;
	bool   more; /* there is something that was not taken */

	/* milliseconds; heartbeat 0: none */
	int		  heartbeat;
	CdrMoment last_sent;
	CdrMoment last_received;

	CdrReasonBuffer *reason;	  /* its creator's, for what goes wrong */
	int				 input_start; /* what is not taken yet */
	int				 input_end;
	int				 output_length; /* what is not sent yet */
	char			 input[INPUT_SIZE];
	char			 output[OUTPUT_SIZE];
};

/* ------------------------------------------------------------------------
 * Bytes
 * ------------------------------------------------------------------------
 */

/* What recv() or send() came to, in the terms of cdr_tls_read(). */
static ssize_t
explain_io(ssize_t result, uint32 event, uint32 *wanted,
		   CdrReasonBuffer *reason)
{
	if (result > 0)
		return result;
	if (result < 0 &&
		(errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
	{
		*wanted = event;
		return 0;
	}
	cdr_fail(reason, ERRCODE_CONNECTION_FAILURE, "%s",
			 result == 0 ? "server closed the connection" : strerror(errno));
	return -1;
}

/* Notes that the connection broke. */
static bool
fail_lost(CdrWire *wire)
{
	int	  sqlerrcode = wire->reason->reason.sqlerrcode;
	char *reason = pstrdup(wire->reason->message);

	if (wire->greeted)
		cdr_fail(wire->reason, sqlerrcode, "connection to broker lost: %s",
				 reason);
	else if (wire->tls == NULL)
		cdr_fail(wire->reason,
				 ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				 "%s before it said anything: if this is its TLS port, "
				 "cdr_service.amqp_uri must say amqps://",
				 reason);
	else
		cdr_fail(wire->reason, sqlerrcode, "TLS connection lost at once: %s",
				 reason);
	pfree(reason);
	return false;
}

/* Reads what has come, as far as there is room; how much, 0, or -1: lost. */
static ssize_t
read_some(CdrWire *wire)
{
	char   *free_space = wire->input + wire->input_end;
	size_t	size = INPUT_SIZE - wire->input_end;
	ssize_t count;

	if (wire->tls != NULL)
		count = cdr_tls_read(wire->tls, free_space, size, &wire->wanted,
							 wire->reason);
	else
		count = explain_io(recv(wire->socket.fd, free_space, size, 0),
						   WL_SOCKET_READABLE, &wire->wanted, wire->reason);
	if (count > 0)
	{
		wire->input_end += (int) count;
		wire->bytes += count;
		wire->last_received = cdr_now();
	}
	else if (count < 0)
		fail_lost(wire);
	return count;
}

/*
 * Sends what is to be sent, as far as that does not block.  False if the
 * connection is lost.
 */
static bool
flush_some(CdrWire *wire)
{
	wire->owed = 0;
	while (wire->output_length > 0)
	{
		ssize_t count;

		if (wire->tls != NULL)
			count = cdr_tls_write(wire->tls, wire->output, wire->output_length,
								  &wire->owed, wire->reason);
		else
			count = explain_io(send(wire->socket.fd, wire->output,
									wire->output_length, MSG_NOSIGNAL),
							   WL_SOCKET_WRITEABLE, &wire->owed, wire->reason);
		if (count < 0)
			return fail_lost(wire);
		if (count == 0)
			return true;
		wire->output_length -= (int) count;
		memmove(wire->output, wire->output + count, wire->output_length);
		wire->last_sent = cdr_now();
	}
	return true;
}

/* Sends all that is to be sent. */
static bool
flush_all(CdrWire *wire)
{
	CdrMoment deadline = cdr_after(SEND_TIMEOUT);

	for (;;)
	{
		long left;

		if (!flush_some(wire))
			return false;
		if (wire->owed == 0)
			return true;
		left = cdr_milliseconds_until(deadline);
		if (left <= 0)
			return cdr_fail(wire->reason, ERRCODE_CONNECTION_FAILURE,
							"broker does not read what is sent");
		(void) cdr_socket_wait(&wire->socket, wire->owed, left);
	}
}

/* ------------------------------------------------------------------------
 * The connection
 * ------------------------------------------------------------------------
 */

CdrWire *
cdr_wire_create(CdrReasonBuffer *reason)
{
	CdrWire *wire = palloc0(sizeof(CdrWire));

	wire->context = CurrentMemoryContext;
	wire->reason = reason;
	cdr_socket_init(&wire->socket);
	return wire;
}

bool
cdr_wire_connect(CdrWire *wire, const CdrBrokerSettings *settings,
				 const char *host, int port, bool tls)
{
	if (!cdr_socket_open(&wire->socket, host, port, CONNECT_TIMEOUT,
						 settings->heartbeat * 2000L, wire->reason))
		return false;
	wire->wanted = WL_SOCKET_READABLE;
	wire->owed = 0;
	wire->greeted = false;
	wire->more = false;
	wire->frame_max = CDR_FRAME_MAX;
	wire->heartbeat = 0;
	wire->input_start = wire->input_end = wire->output_length = 0;

	if (tls)
	{
		wire->tls = cdr_tls_connect(wire->context, settings, &wire->socket,
									host, CONNECT_TIMEOUT, wire->reason);
		if (wire->tls == NULL)
			return false;
	}
	wire->codec = amqp_new_connection();
	if (wire->codec == NULL)
		return cdr_fail(wire->reason, ERRCODE_OUT_OF_MEMORY, "out of memory");
	return true;
}

bool
cdr_wire_is_open(const CdrWire *wire)
{
	return wire->codec != NULL;
}

void
cdr_wire_close(CdrWire *wire)
{
	if (wire->codec != NULL)
		(void) amqp_destroy_connection(wire->codec);
	wire->codec = NULL;
	if (wire->tls != NULL)
		cdr_tls_free(wire->tls, wire->output_length == 0);
	wire->tls = NULL;
	cdr_socket_close(&wire->socket);
	wire->more = false;
}

bool
cdr_wire_tune(CdrWire *wire, uint32 frame_max, int heartbeat)
{
	int status;

	/* with less, the library would write beyond its buffer */
	if (frame_max < CDR_FRAME_MAX_LEAST || frame_max > CDR_FRAME_MAX)
		return cdr_fail(wire->reason, ERRCODE_PROTOCOL_VIOLATION,
						"broker offers frames of %u bytes", frame_max);
	status =
		amqp_tune_connection(wire->codec, CDR_CHANNEL, (int) frame_max, 0);
	if (status < 0)
		return cdr_fail(wire->reason, ERRCODE_PROTOCOL_VIOLATION,
						"could not tune connection: %s",
						amqp_error_string2(status));
	wire->frame_max = frame_max;
	wire->heartbeat = heartbeat * 1000;
	wire->last_sent = wire->last_received = cdr_now();
	return true;
}

/* ------------------------------------------------------------------------
 * To the server
 * ------------------------------------------------------------------------
 */

/* Makes a frame, the library's arguments being in their place already. */
static void
finish_frame(CdrWire *wire, uint8 type, amqp_channel_t channel, uint32 length)
{
	char  *frame = wire->output + wire->output_length;
	uint16 channel_sent = pg_hton16(channel);
	uint32 length_sent = pg_hton32(length);

	frame[0] = (char) type;
	memcpy(frame + 1, &channel_sent, sizeof(channel_sent));
	memcpy(frame + 3, &length_sent, sizeof(length_sent));
	frame[FRAME_HEADER + length] = (char) AMQP_FRAME_END;
	wire->output_length += FRAME_HEADER + length + FRAME_END;
}

/* Makes the frame of a method. */
static bool
encode(CdrWire *wire, amqp_channel_t channel, amqp_method_number_t method,
	   void *arguments)
{
	char *payload = wire->output + wire->output_length + FRAME_HEADER;
	int	  room = OUTPUT_SIZE - wire->output_length - FRAME_HEADER - FRAME_END -
			   (int) sizeof(uint32);
	uint32		 method_sent = pg_hton32(method);
	amqp_bytes_t encoded = {.bytes = payload + sizeof(uint32)};
	int			 length;

	encoded.len = Max(room, 0);
	length = amqp_encode_method(method, arguments, encoded);
	if (room <= 0 || length < 0)
		return cdr_fail(wire->reason, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						"a setting of cdr_service is too long for AMQP");
	memcpy(payload, &method_sent, sizeof(method_sent));
	finish_frame(wire, AMQP_FRAME_METHOD, channel,
				 (uint32) sizeof(method_sent) + (uint32) length);
	return true;
}

bool
cdr_wire_send_header(CdrWire *wire)
{
	static const char header[] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};

	memcpy(wire->output, header, sizeof(header));
	wire->output_length = sizeof(header);
	return flush_all(wire);
}

bool
cdr_wire_send(CdrWire *wire, amqp_channel_t channel,
			  amqp_method_number_t method, void *arguments)
{
	bool sent = encode(wire, channel, method, arguments) && flush_all(wire);

	/* it may have held a password */
	explicit_bzero(wire->output, sizeof(wire->output));
	return sent;
}

void
cdr_wire_send_last(CdrWire *wire, amqp_channel_t channel,
				   amqp_method_number_t method, void *arguments)
{
	CdrReasonBuffer reason = *wire->reason;

	if (encode(wire, channel, method, arguments))
		(void) flush_some(wire);
	*wire->reason = reason;
}

/* ------------------------------------------------------------------------
 * From the server
 * ------------------------------------------------------------------------
 */

/* Sends a heartbeat if one is due. */
static bool
keep_alive(CdrWire *wire)
{
	if (wire->heartbeat == 0)
		return true;
	if (wire->output_length == 0 &&
		cdr_milliseconds_since(wire->last_sent) >= wire->heartbeat / 2.0)
		finish_frame(wire, AMQP_FRAME_HEARTBEAT, 0, 0);
	return flush_some(wire);
}

/* Is the server silent for too long? */
static bool
check_silence(CdrWire *wire)
{
	if (wire->heartbeat == 0 ||
		cdr_milliseconds_since(wire->last_received) <= wire->heartbeat * 2.0)
		return true;
	return cdr_fail(wire->reason, ERRCODE_CONNECTION_FAILURE,
					"connection to broker lost: it has been silent for two "
					"heartbeats");
}

/* Notes that what came is no frame, or none that is taken. */
static bool
fail_frame(CdrWire *wire, const CdrFrameCheck *check)
{
	uint8 type = (uint8) wire->input[wire->input_start];

	if (wire->greeted || type == AMQP_FRAME_METHOD)
		return cdr_fail(wire->reason, ERRCODE_PROTOCOL_VIOLATION,
						"broker sent %s", check->error);
	if (wire->tls == NULL && (type == TLS_ALERT || type == TLS_HANDSHAKE))
		return cdr_fail(wire->reason,
						ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
						"server speaks TLS on this port: cdr_service.amqp_uri "
						"must say amqps://");
	return cdr_fail(wire->reason, ERRCODE_PROTOCOL_VIOLATION,
					"server does not speak AMQP 0-9-1");
}

/* Decodes a whole frame that was found sound. */
static bool
decode_frame(CdrWire *wire, size_t length, amqp_frame_t *frame)
{
	int status;

	/* what the frame before took, whoever it was for */
	amqp_maybe_release_buffers(wire->codec);
	status = cdr_frame_decode(
		wire->codec, (uint8 *) wire->input + wire->input_start, length, frame);
	if (status < 0)
		return cdr_fail(wire->reason, ERRCODE_PROTOCOL_VIOLATION,
						"broker sent what cannot be decoded: %s",
						amqp_error_string2(status));
	wire->input_start += (int) length;
	wire->greeted = true;
	return true;
}

/* Takes the next frame out of the input.  *taken: whether it is all there. */
static bool
take_frame(CdrWire *wire, amqp_frame_t *frame, bool *taken)
{
	CdrFrameCheck	check;
	CdrFrameVerdict verdict = cdr_frame_check(
		(uint8 *) wire->input + wire->input_start,
		wire->input_end - wire->input_start, wire->frame_max, &check);

	*taken = verdict == CDR_FRAME_WHOLE;
	if (verdict == CDR_FRAME_BAD)
		return fail_frame(wire, &check);
	return !*taken || decode_frame(wire, check.length, frame);
}

/* Makes room for the rest of a frame. */
static void
compact(CdrWire *wire)
{
	if (wire->input_start == 0)
		return;
	memmove(wire->input, wire->input + wire->input_start,
			wire->input_end - wire->input_start);
	wire->input_end -= wire->input_start;
	wire->input_start = 0;
}

/* From now on count anew.  Is there more that was not taken? */
static void
look_around(CdrWire *wire, bool more)
{
	wire->steps = 0;
	wire->bytes = 0;
	wire->more = more;
}

CdrFrameResult
cdr_wire_receive(CdrWire *wire, amqp_frame_t *frame)
{
	for (;;)
	{
		bool	taken;
		ssize_t count;

		CHECK_FOR_INTERRUPTS();
		if (wire->steps++ >= STEPS_MAX || wire->bytes >= BYTES_MAX)
		{
			look_around(wire, true);
			return keep_alive(wire) ? CDR_FRAME_NONE : CDR_FRAME_LOST;
		}
		if (!take_frame(wire, frame, &taken))
			return CDR_FRAME_LOST;
		if (taken && frame->frame_type == AMQP_FRAME_HEARTBEAT)
			continue;
		if (taken)
			return CDR_FRAME_READ;
		compact(wire);
		count = read_some(wire);
		if (count < 0 || !keep_alive(wire))
			return CDR_FRAME_LOST;
		if (count == 0)
		{
			look_around(wire, false);
			return check_silence(wire) ? CDR_FRAME_NONE : CDR_FRAME_LOST;
		}
	}
}

/* ------------------------------------------------------------------------
 * Waiting
 * ------------------------------------------------------------------------
 */

/* As long as that, or not at all. */
static long
time_to_wait(CdrWire *wire, long timeout)
{
	bool more = wire->more;

	look_around(wire, false);
	return more ? 0 : timeout;
}

void
cdr_wire_wait(CdrWire *wire, long timeout)
{
	(void) cdr_socket_wait(&wire->socket, wire->wanted | wire->owed,
						   time_to_wait(wire, timeout));
}

void
cdr_wire_linger(CdrWire *wire, long timeout)
{
	(void) cdr_socket_wait(&wire->socket, 0, time_to_wait(wire, timeout));
}
