/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  AMQP frames to and from a server, over TCP or TLS.
 *
 * Only cdr_wire_connect(), cdr_wire_send() and cdr_wire_wait() wait, and they
 * serve interrupts meanwhile.  A function that returns false, or
 * CDR_FRAME_LOST, has left the reason with the wire's creator; the connection
 * is of no more use then, and cdr_wire_close() is all that may follow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WIRE_H
#define CDR_WIRE_H

#include "base/compat.h"
#include "base/reason.h"
#include "broker/settings.h"

/* The one channel, besides channel 0, which is the connection itself. */
#define CDR_CHANNEL 1

/* Bytes of the largest frame that is taken. */
#define CDR_FRAME_MAX 131072

typedef struct CdrWire CdrWire;

typedef enum CdrFrameResult
{
	CDR_FRAME_READ,
	CDR_FRAME_NONE, /* everything that came has been taken, or so much that it
					 * is time to look around before the next */
	CDR_FRAME_LOST	/* the connection is over */
} CdrFrameResult;

/*
 * A wire that is not connected, in the current memory context.  Leaves at
 * reason what goes wrong, which must live as long.
 */
extern CdrWire *cdr_wire_create(CdrReasonBuffer *reason);

/*
 * Connects to a server, with TLS or without; for TLS, also shakes hands.  The
 * settings must live as long as the connection.
 */
extern bool cdr_wire_connect(CdrWire *wire, const CdrBrokerSettings *settings,
							 const char *host, int port, bool tls);

extern bool cdr_wire_is_open(const CdrWire *wire);

/* Closes the connection; harmless if there is none. */
extern void cdr_wire_close(CdrWire *wire);

/* Frames up to frame_max bytes from now on, and heartbeats (seconds). */
extern bool cdr_wire_tune(CdrWire *wire, uint32 frame_max, int heartbeat);

/* Sends what a connection begins with. */
extern bool cdr_wire_send_header(CdrWire *wire);

extern bool cdr_wire_send(CdrWire *wire, amqp_channel_t channel,
						  amqp_method_number_t method, void *arguments);

/* Sends a last method, if that does not block. */
extern void cdr_wire_send_last(CdrWire *wire, amqp_channel_t channel,
							   amqp_method_number_t method, void *arguments);

/*
 * Takes a frame if one has come; heartbeats are dealt with here.  What the
 * frame points to stays valid until the next call.
 */
extern CdrFrameResult cdr_wire_receive(CdrWire *wire, amqp_frame_t *frame);

/*
 * Waits for more input, the latch or the timeout (milliseconds); not at all if
 * there is input that was not taken.
 */
extern void cdr_wire_wait(CdrWire *wire, long timeout);

/* Waits for the latch or the timeout, whatever comes in meanwhile. */
extern void cdr_wire_linger(CdrWire *wire, long timeout);

#endif /* CDR_WIRE_H */
