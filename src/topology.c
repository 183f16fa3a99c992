/*-------------------------------------------------------------------------
 *
 * topology.c
 *	  Exchange, queue and bindings, which the service finds or declares.
 *
 * What is there is used as it is; what is missing is declared, unless
 * cdr_service.declare forbids it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "guc.h"
#include "session.h"
#include "topology.h"

static amqp_table_entry_t
text_argument(const char *key, const char *value)
{
	amqp_table_entry_t result = {0};

	result.key = amqp_cstring_bytes(key);
	result.value.kind = AMQP_FIELD_KIND_UTF8;
	result.value.value.bytes = amqp_cstring_bytes(value);
	return result;
}

/*
 * Was the last call refused because something is missing that may be
 * declared?  The channel, which the refusal closed, is open again then.
 */
static bool
may_declare(CdrBroker *broker)
{
	return broker->close_code == AMQP_NOT_FOUND &&
		   cdr_declare == CDR_DECLARE_MISSING &&
		   cdr_session_open_channel(broker);
}

static bool
ensure_exchange(CdrBroker *broker)
{
	amqp_exchange_declare_t declare = {0};

	declare.exchange = amqp_cstring_bytes(cdr_exchange);
	declare.type = amqp_cstring_bytes("topic");
	declare.passive = 1;
	if (cdr_session_call(broker, AMQP_EXCHANGE_DECLARE_METHOD, &declare,
						 AMQP_EXCHANGE_DECLARE_OK_METHOD))
		return true;
	if (!may_declare(broker))
		return false;
	declare.passive = 0;
	declare.durable = 1;
	return cdr_session_call(broker, AMQP_EXCHANGE_DECLARE_METHOD, &declare,
							AMQP_EXCHANGE_DECLARE_OK_METHOD);
}

static bool
ensure_queue(CdrBroker *broker)
{
	amqp_queue_declare_t declare = {0};
	amqp_table_entry_t	 arguments[2];
	int					 count = 0;

	declare.queue = amqp_cstring_bytes(cdr_queue);
	declare.passive = 1;
	if (cdr_session_call(broker, AMQP_QUEUE_DECLARE_METHOD, &declare,
						 AMQP_QUEUE_DECLARE_OK_METHOD))
		return true;
	if (!may_declare(broker))
		return false;

	if (cdr_queue_type == CDR_QUEUE_QUORUM)
		arguments[count++] = text_argument("x-queue-type", "quorum");
	if (cdr_dead_letter_exchange[0] != '\0')
		arguments[count++] =
			text_argument("x-dead-letter-exchange", cdr_dead_letter_exchange);
	declare.passive = 0;
	declare.durable = 1;
	declare.arguments.num_entries = count;
	declare.arguments.entries = arguments;
	return cdr_session_call(broker, AMQP_QUEUE_DECLARE_METHOD, &declare,
							AMQP_QUEUE_DECLARE_OK_METHOD);
}

/* Bindings cannot be looked up, but to bind again changes nothing. */
static bool
ensure_bindings(CdrBroker *broker)
{
	char *keys = pstrdup(cdr_binding_keys);
	char *rest;
	bool  bound = true;

	for (char *key = strtok_r(keys, ", ", &rest); key != NULL && bound;
		 key = strtok_r(NULL, ", ", &rest))
	{
		amqp_queue_bind_t bind = {0};

		bind.queue = amqp_cstring_bytes(cdr_queue);
		bind.exchange = amqp_cstring_bytes(cdr_exchange);
		bind.routing_key = amqp_cstring_bytes(key);
		bound = cdr_session_call(broker, AMQP_QUEUE_BIND_METHOD, &bind,
								 AMQP_QUEUE_BIND_OK_METHOD);
	}
	pfree(keys);
	return bound;
}

bool
cdr_topology_ensure(CdrBroker *broker)
{
	if (cdr_declare == CDR_DECLARE_NEVER || cdr_exchange[0] == '\0')
		return ensure_queue(broker);
	return ensure_exchange(broker) && ensure_queue(broker) &&
		   ensure_bindings(broker);
}
