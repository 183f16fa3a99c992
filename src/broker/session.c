/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Calls and their answers over one connection to RabbitMQ, which has one
 *	  channel.
 *
 * librabbitmq's functions that log in, call and consume all wait inside, some
 * without any limit, deaf to signals; so the few calls that a session takes
 * are made here of frames: send a method, then take frames until the answer is
 * there.  How frames travel is the business of wire.c.
 *
 * A refusal closes the channel, which can be opened again.  After any other
 * trouble the connection is of no more use: disconnect and connect again.
 *
 * No error of the server is ever thrown across a frame of the library: it has
 * no callbacks, and interrupts are only served in socket.c and between frames.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "postmaster/interrupt.h"

#include "base/clock.h"
#include "broker/session.h"

/* Milliseconds until a broker that does not answer is given up. */
#define ANSWER_TIMEOUT 10000

/* The same while a reload is not applied yet. */
#define RELOAD_TIMEOUT 1000

/* The SQLSTATE that says the same as an AMQP reply code. */
static int
sqlstate_of_reply(int reply_code)
{
	switch (reply_code)
	{
		case AMQP_ACCESS_REFUSED:
			return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
		case AMQP_NOT_FOUND:
			return ERRCODE_UNDEFINED_OBJECT;
		case AMQP_RESOURCE_LOCKED: /* an exclusive queue of others */
			return ERRCODE_OBJECT_IN_USE;
		case AMQP_NOT_ALLOWED: /* no such virtual host */
			return ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION;
		case AMQP_CONNECTION_FORCED: /* the broker goes down */
		case AMQP_INTERNAL_ERROR:
			return ERRCODE_CONNECTION_FAILURE;
		default:
			return ERRCODE_PROTOCOL_VIOLATION;
	}
}

/* Notes why the broker closed channel or connection, in its own words. */
static bool
fail_closed(CdrSession *session, int code, amqp_bytes_t text)
{
	char *words = pnstrdup(text.bytes, text.len);

	for (char *p = words; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || (unsigned char) *p > '~')
			*p = '?';
	}
	cdr_session_fail(session, sqlstate_of_reply(code),
					 "broker closed the session: %d %s", code, words);
	pfree(words);
	return false;
}

/* ------------------------------------------------------------------------
 * The connection
 * ------------------------------------------------------------------------
 */

void
cdr_session_init(CdrSession *session)
{
	memset(session, 0, sizeof(CdrSession));
	session->backlog = session->consumers = -1;
	session->wire = cdr_wire_create(&session->reason);
}

bool
cdr_session_connect(CdrSession *session, const char *host, int port, bool tls)
{
	return cdr_wire_connect(session->wire, session->settings, host, port,
							tls) &&
		   cdr_wire_send_header(session->wire);
}

void
cdr_session_disconnect(CdrSession *session)
{
	if (session->open)
	{
		amqp_connection_close_t close = {0};

		close.reply_code = AMQP_REPLY_SUCCESS;
		close.reply_text = amqp_cstring_bytes("bye");
		cdr_wire_send_last(session->wire, 0, AMQP_CONNECTION_CLOSE_METHOD,
						   &close);
	}
	session->open = false;
	session->backlog = session->consumers = -1;
	session->asked = session->consuming = 0;
	cdr_wire_close(session->wire);
}

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */

/* The wire broke, and has said why. */
static bool
wire_is_lost(CdrSession *session)
{
	session->open = false;
	return false;
}

bool
cdr_session_send(CdrSession *session, amqp_channel_t channel,
				 amqp_method_number_t method, void *arguments)
{
	return cdr_wire_send(session->wire, channel, method, arguments) ||
		   wire_is_lost(session);
}

/* Every declaration of the queue is answered with what it holds. */
static void
note_queue(CdrSession *session, const amqp_queue_declare_ok_t *queue)
{
	session->backlog = queue->message_count;
	session->consumers = queue->consumer_count;
	session->answers++;
}

static bool
fail_unexpected(CdrSession *session, const amqp_method_t *method)
{
	return cdr_session_fail(session, ERRCODE_PROTOCOL_VIOLATION,
							"broker sent unexpected method 0x%08X",
							method->id);
}

/*
 * Handles a method that is no part of a delivery and no awaited answer.
 * False if the session is over with it.
 */
static bool
handle_method(CdrSession *session, const amqp_method_t *method)
{
	switch (method->id)
	{
		case AMQP_CHANNEL_CLOSE_METHOD:
		{
			amqp_channel_close_t   *close = method->decoded;
			amqp_channel_close_ok_t ok = {0};

			fail_closed(session, close->reply_code, close->reply_text);
			session->close_code = close->reply_code;
			cdr_wire_send_last(session->wire, CDR_CHANNEL,
							   AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
			return false;
		}
		case AMQP_CONNECTION_CLOSE_METHOD:
		{
			amqp_connection_close_t	  *close = method->decoded;
			amqp_connection_close_ok_t ok = {0};

			fail_closed(session, close->reply_code, close->reply_text);
			cdr_wire_send_last(session->wire, 0,
							   AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
			return false;
		}
		case AMQP_BASIC_CANCEL_METHOD:
			return cdr_session_fail(
				session, ERRCODE_UNDEFINED_OBJECT,
				"broker cancelled the consumer: queue \"%s\" was "
				"deleted or moved, or waited too long for an "
				"acknowledgement",
				session->settings->queue);
		case AMQP_CONNECTION_BLOCKED_METHOD:
		case AMQP_CONNECTION_UNBLOCKED_METHOD:
			/* concerns those who publish */
			return true;
		case AMQP_QUEUE_DECLARE_OK_METHOD:
			if (session->asked > 0)
			{
				session->asked--;
				note_queue(session, method->decoded);
				return true;
			}
			return fail_unexpected(session, method);
		case AMQP_BASIC_QOS_OK_METHOD:
			/* comes before the one of the consumer */
			return session->consuming > 0 || fail_unexpected(session, method);
		case AMQP_BASIC_CONSUME_OK_METHOD:
			if (session->consuming > 0)
			{
				session->consuming--;
				return true;
			}
			return fail_unexpected(session, method);
		default:
			return fail_unexpected(session, method);
	}
}

/*
 * How many milliseconds of the wait for an answer are left; 0 also if a reload,
 * which may be a pause, has waited long enough for it.
 */
static long
time_for_answer(CdrMoment started)
{
	long passed = cdr_milliseconds_since(started);
	long limit = ConfigReloadPending ? RELOAD_TIMEOUT : ANSWER_TIMEOUT;

	return Max(limit - passed, 0);
}

bool
cdr_session_await(CdrSession *session, amqp_method_number_t awaited,
				  void **arguments)
{
	CdrMoment started = cdr_now();

	session->close_code = 0;
	for (;;)
	{
		amqp_frame_t   frame;
		CdrFrameResult result = cdr_wire_receive(session->wire, &frame);
		long		   left;

		if (result == CDR_FRAME_LOST)
			return wire_is_lost(session);
		if (result == CDR_FRAME_READ)
		{
			if (frame.frame_type != AMQP_FRAME_METHOD)
				return cdr_session_fail(session, ERRCODE_PROTOCOL_VIOLATION,
										"server does not speak AMQP 0-9-1");
			if (frame.payload.method.id == awaited)
			{
				if (awaited == AMQP_QUEUE_DECLARE_OK_METHOD)
					note_queue(session, frame.payload.method.decoded);
				if (arguments != NULL)
					*arguments = frame.payload.method.decoded;
				return true;
			}
			if (!handle_method(session, &frame.payload.method))
				return false;
		}
		left = time_for_answer(started);
		if (left == 0)
			return cdr_session_fail(
				session, ERRCODE_CONNECTION_FAILURE,
				cdr_milliseconds_since(started) < ANSWER_TIMEOUT
					? "broker does not answer at once, and settings were "
					  "reloaded meanwhile"
					: "broker does not answer");
		if (result == CDR_FRAME_NONE)
			cdr_wire_wait(session->wire, left);
	}
}

bool
cdr_session_call(CdrSession *session, amqp_method_number_t method,
				 void *arguments, amqp_method_number_t answer)
{
	return cdr_session_send(session, CDR_CHANNEL, method, arguments) &&
		   cdr_session_await(session, answer, NULL);
}

bool
cdr_session_open_channel(CdrSession *session)
{
	amqp_channel_open_t open = {0};

	return cdr_session_call(session, AMQP_CHANNEL_OPEN_METHOD, &open,
							AMQP_CHANNEL_OPEN_OK_METHOD);
}

bool
cdr_session_ask(CdrSession *session)
{
	amqp_queue_declare_t declare = {0};

	declare.queue = amqp_cstring_bytes(session->settings->queue);
	declare.passive = 1;
	if (!cdr_session_send(session, CDR_CHANNEL, AMQP_QUEUE_DECLARE_METHOD,
						  &declare))
		return false;
	session->asked++;
	return true;
}

CdrFrameResult
cdr_session_receive(CdrSession *session, amqp_frame_t *frame)
{
	for (;;)
	{
		CdrFrameResult result = cdr_wire_receive(session->wire, frame);

		if (result == CDR_FRAME_LOST)
			(void) wire_is_lost(session);
		if (result != CDR_FRAME_READ)
			return result;
		if (frame->frame_type == AMQP_FRAME_METHOD &&
			frame->payload.method.id != AMQP_BASIC_DELIVER_METHOD)
		{
			if (!handle_method(session, &frame->payload.method))
				return CDR_FRAME_LOST;
		}
		else if (frame->channel == CDR_CHANNEL)
			return CDR_FRAME_READ;
		else
		{
			cdr_session_fail(session, ERRCODE_PROTOCOL_VIOLATION,
							 "broker sent a frame on channel %d",
							 frame->channel);
			return CDR_FRAME_LOST;
		}
	}
}
