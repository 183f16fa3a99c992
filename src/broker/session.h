/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Calls and their answers over one connection to RabbitMQ, which has one
 *	  channel.
 *
 * A function that returns false has left the reason in the session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SESSION_H
#define CDR_SESSION_H

#include "base/compat.h"
#include "base/reason.h"
#include "broker/settings.h"
#include "broker/wire.h"

typedef struct CdrSession
{
	const CdrBrokerSettings *settings; /* its owner's, as long as connected */
	CdrWire					*wire;
	CdrReasonBuffer			 reason;	 /* why what failed last did */
	bool					 open;		 /* consuming, and no trouble yet */
	int						 close_code; /* of the last channel.close */
	int						 rabbitmq;	 /* major version; 0: it is none */

	/* the queue, as the last queue.declare-ok says; -1: not known */
	int64  backlog;	  /* messages that nobody has been sent yet */
	int64  consumers; /* those who consume, we among them */
	int	   asked;	  /* answers that are still to come */
	int	   consuming; /* the same of a consumer that replaces another */
	uint32 answers;	  /* that have come, since ever */
} CdrSession;

/* Notes what went wrong.  Always false, for the caller to return. */
#define cdr_session_fail(session, ...) \
	((session)->open = cdr_fail(&(session)->reason, __VA_ARGS__))

/* An entry of a table; the strings must live as long. */
static inline amqp_table_entry_t
cdr_session_text(const char *key, const char *value)
{
	amqp_table_entry_t entry = {0};

	entry.key = amqp_cstring_bytes(key);
	entry.value.kind = AMQP_FIELD_KIND_UTF8;
	entry.value.value.bytes = amqp_cstring_bytes(value);
	return entry;
}

/*
 * Makes a session that is not connected, with a wire of its own in the current
 * memory context.  The wire points into the session, which must not move.
 */
extern void cdr_session_init(CdrSession *session);

/*
 * Connects to a server, and sends what a connection begins with; the login is
 * the business of login.c.
 */
extern bool
cdr_session_connect(CdrSession *session, const char *host, int port, bool tls);

/* Ends the session, politely where that does not block; harmless if none. */
extern void cdr_session_disconnect(CdrSession *session);

/* Sends a method that has no answer, or whose answer is awaited later. */
extern bool cdr_session_send(CdrSession *session, amqp_channel_t channel,
							 amqp_method_number_t method, void *arguments);

/*
 * Takes frames until an awaited method is there.  Its arguments, which are
 * left at *arguments unless that is NULL, stay valid until the next call.
 */
extern bool cdr_session_await(CdrSession		  *session,
							  amqp_method_number_t awaited, void **arguments);

/*
 * Sends a method of the channel and awaits the answer.  False if the broker
 * refuses, which closes the channel and leaves its reply code in close_code,
 * or if the session is over: close_code is 0 then.
 */
extern bool cdr_session_call(CdrSession *session, amqp_method_number_t method,
							 void *arguments, amqp_method_number_t answer);

/* Opens the channel, also after a refusal has closed it. */
extern bool cdr_session_open_channel(CdrSession *session);

/*
 * Asks for the backlog and the consumers of the queue.  The answer is taken in
 * by cdr_session_receive(); that the queue is gone ends the session.
 */
extern bool cdr_session_ask(CdrSession *session);

/*
 * Takes the next frame of a delivery if one has come, and deals with all that
 * comes between.  What the frame points to stays valid until the next call.
 */
extern CdrFrameResult
cdr_session_receive(CdrSession *session, amqp_frame_t *frame);

#endif /* CDR_SESSION_H */
