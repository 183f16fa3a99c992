/*-------------------------------------------------------------------------
 *
 * session.h
 *	  The inside of a session with RabbitMQ, for the rooms that share it:
 *	  broker.c, which keeps it, and topology.c, which makes calls in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SESSION_H
#define CDR_SESSION_H

#include "base/compat.h"
#include "base/reason.h"
#include "broker/broker.h"
#include "broker/delivery.h"
#include "broker/settings.h"
#include "broker/wire.h"

struct CdrBroker
{
	MemoryContext	   context; /* of this struct and what it points to */
	MemoryContext	   settings_context;
	CdrBrokerSettings *settings; /* that the session was made with */
	CdrWire			  *wire;
	bool			   open; /* logged in, and no trouble yet */
	CdrAssembly		   assembly;
	uint32			   generation;
	uint64			   last_tag;	/* of the session's last delivery */
	int				   next_server; /* in the list of URIs */
	int				   close_code;	/* of the last channel.close */
	int				   rabbitmq;	/* major version; 0: it is none */
	bool			   may_not_ask; /* about the queue's arguments */
	bool			   may_drop;	/* the queue, for all that is known */
	char			   warning[512];
	char			   host[256];
	CdrReasonBuffer	   reason; /* of what went wrong last */
};

/* Notes what went wrong.  Always false, for the caller to return. */
#define cdr_session_fail(broker, ...) \
	((broker)->open = cdr_fail(&(broker)->reason, __VA_ARGS__))

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
 * Sends a method of the channel and awaits the answer.  False, with the reason
 * noted, if the broker refuses, which closes the channel and leaves its reply
 * code in close_code, or if the session is over: close_code is 0 then.
 */
extern bool cdr_session_call(CdrBroker *broker, amqp_method_number_t method,
							 void *arguments, amqp_method_number_t answer);

/* Opens the channel, also after a refusal has closed it. */
extern bool cdr_session_open_channel(CdrBroker *broker);

#endif /* CDR_SESSION_H */
