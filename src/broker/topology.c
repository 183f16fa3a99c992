/*-------------------------------------------------------------------------
 *
 * topology.c
 *	  Exchange, queue and bindings, which the service finds or declares.
 *
 * What is there is used as it is; what is missing is declared, unless
 * cdr_service.declare forbids it.  A quorum queue may drop messages, the
 * innocent too, once it has delivered them too often; the one declared here
 * does not, and of one that was there already it is found out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "broker/session.h"
#include "broker/topology.h"

/*
 * A delivery limit that is never reached.  To RabbitMQ 4 a negative one would
 * mean none, but 3.10 then drops a message at its first return; and a queue
 * without any has none in 3.10, but one of 20 since 4.0.
 */
#define NO_LIMIT	  INT_MAX
#define DEFAULT_LIMIT 20

/* Without trouble a message comes once; after a crash or two, once more. */
#define DELIVERIES_TO_WARN_OF 3

static amqp_table_entry_t
integer_argument(const char *key, int64 value)
{
	amqp_table_entry_t result = {0};

	result.key = amqp_cstring_bytes(key);
	result.value.kind = AMQP_FIELD_KIND_I64;
	result.value.value.i64 = value;
	return result;
}

/*
 * Was the last call refused because something is missing that may be
 * declared?  The channel, which the refusal closed, is open again then.
 */
static bool
may_declare(CdrSession *session)
{
	return session->close_code == AMQP_NOT_FOUND &&
		   session->settings->declare == CDR_DECLARE_MISSING &&
		   cdr_session_open_channel(session);
}

static bool
ensure_exchange(CdrSession *session)
{
	amqp_exchange_declare_t declare = {0};

	declare.exchange = amqp_cstring_bytes(session->settings->exchange);
	declare.type = amqp_cstring_bytes("topic");
	declare.passive = 1;
	if (cdr_session_call(session, AMQP_EXCHANGE_DECLARE_METHOD, &declare,
						 AMQP_EXCHANGE_DECLARE_OK_METHOD))
		return true;
	if (!may_declare(session))
		return false;
	declare.passive = 0;
	declare.durable = 1;
	return cdr_session_call(session, AMQP_EXCHANGE_DECLARE_METHOD, &declare,
							AMQP_EXCHANGE_DECLARE_OK_METHOD);
}

/*
 * Declares the queue so that it never drops a message, however often it has
 * to deliver it.  The type is named because a virtual host may have another
 * default.
 */
static bool
declare_queue(CdrSession *session, CdrTopology *topology)
{
	amqp_queue_declare_t declare = {0};
	amqp_table_entry_t	 arguments[3];
	int					 count = 0;

	if (session->settings->queue_type == CDR_QUEUE_QUORUM)
	{
		arguments[count++] = cdr_session_text("x-queue-type", "quorum");
		arguments[count++] = integer_argument("x-delivery-limit", NO_LIMIT);
	}
	else
		arguments[count++] = cdr_session_text("x-queue-type", "classic");
	if (session->settings->dead_letter_exchange[0] != '\0')
		arguments[count++] = cdr_session_text(
			"x-dead-letter-exchange", session->settings->dead_letter_exchange);
	topology->may_drop = session->settings->queue_type == CDR_QUEUE_QUORUM &&
						 session->settings->dead_letter_exchange[0] == '\0';
	declare.queue = amqp_cstring_bytes(session->settings->queue);
	declare.durable = 1;
	declare.arguments.num_entries = count;
	declare.arguments.entries = arguments;
	return cdr_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &declare,
							AMQP_QUEUE_DECLARE_OK_METHOD);
}

/* Sets *found to whether the queue was there already. */
static bool
ensure_queue(CdrSession *session, CdrTopology *topology, bool *found)
{
	amqp_queue_declare_t declare = {0};

	declare.queue = amqp_cstring_bytes(session->settings->queue);
	declare.passive = 1;
	*found = cdr_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &declare,
							  AMQP_QUEUE_DECLARE_OK_METHOD);
	return *found ||
		   (may_declare(session) && declare_queue(session, topology));
}

/* Bindings cannot be looked up, but to bind again changes nothing. */
static bool
ensure_bindings(CdrSession *session)
{
	char *keys = pstrdup(session->settings->binding_keys);
	char *rest;
	bool  bound = true;

	for (char *key = strtok_r(keys, ", ", &rest); key != NULL && bound;
		 key = strtok_r(NULL, ", ", &rest))
	{
		amqp_queue_bind_t bind = {0};

		bind.queue = amqp_cstring_bytes(session->settings->queue);
		bind.exchange = amqp_cstring_bytes(session->settings->exchange);
		bind.routing_key = amqp_cstring_bytes(key);
		bound = cdr_session_call(session, AMQP_QUEUE_BIND_METHOD, &bind,
								 AMQP_QUEUE_BIND_OK_METHOD);
	}
	pfree(keys);
	return bound;
}

/* ------------------------------------------------------------------------
 * Will the queue drop messages?
 * ------------------------------------------------------------------------
 */

/* An argument in which a declaration differs from the queue that there is. */
typedef struct Difference
{
	char name[32];
	bool is_set;	 /* does the queue have it? */
	char value[256]; /* if so, what of */
	char type[32];	 /* and the value's type; "" if the broker does not say */
} Difference;

/* Copies what stands before an end; false if that is not there or too far. */
static bool
copy_until(char *copy, size_t size, const char *text, const char *end)
{
	if (end == NULL || (size_t) (end - text) >= size)
		return false;
	memcpy(copy, text, end - text);
	copy[end - text] = '\0';
	return true;
}

/* What stands behind the last occurrence of a phrase, or NULL. */
static const char *
behind_last(const char *text, const char *phrase)
{
	const char *behind = NULL;

	for (const char *p = strstr(text, phrase); p != NULL;
		 p = strstr(behind, phrase))
		behind = p + strlen(phrase);
	return behind;
}

/*
 * Reads a refusal: "... inequivalent arg 'NAME' for queue ...: received ...
 * but current is none", or "... is 'VALUE'", or "... is the value 'VALUE' of
 * type 'TYPE'".
 */
static bool
parse_difference(const char *refusal, Difference *difference)
{
	const char *name = behind_last(refusal, "inequivalent arg '");
	const char *value = behind_last(refusal, " but current is ");
	const char *type = behind_last(refusal, "' of type '");

	memset(difference, 0, sizeof(Difference));
	if (name == NULL || value == NULL ||
		!copy_until(difference->name, sizeof(difference->name), name,
					strchr(name, '\'')))
		return false;
	if (strcmp(value, "none") == 0)
		return true;
	difference->is_set = true;
	if (strncmp(value, "the value '", strlen("the value '")) == 0)
	{
		value += strlen("the value '");
		return type > value &&
			   copy_until(difference->type, sizeof(difference->type), type,
						  strchr(type, '\'')) &&
			   copy_until(difference->value, sizeof(difference->value), value,
						  type - strlen("' of type '"));
	}
	return value[0] == '\'' &&
		   copy_until(difference->value, sizeof(difference->value), value + 1,
					  strrchr(value + 1, '\''));
}

/* The same argument for a declaration; false if we have no such type. */
static bool
repeat_argument(const Difference *difference, amqp_table_entry_t *argument)
{
	const char *name = pstrdup(difference->name);
	const char *type = difference->type;
	char	   *end;

	if (strcmp(type, "longstr") == 0)
		*argument = cdr_session_text(name, pstrdup(difference->value));
	else if (strcmp(type, "bool") == 0)
	{
		*argument = cdr_session_text(name, "");
		argument->value.kind = AMQP_FIELD_KIND_BOOLEAN;
		argument->value.value.boolean = strcmp(difference->value, "true") == 0;
	}
	else
	{
		/* whole numbers of all sizes are the same to the broker */
		*argument =
			integer_argument(name, strtoll(difference->value, &end, 10));
		return end != difference->value && *end == '\0';
	}
	return true;
}

/* After how many redeliveries a queue with such a limit drops a message. */
static void
judge_limit(const CdrSession *session, CdrTopology *topology,
			const Difference *difference)
{
	long long limit = NO_LIMIT;
	char	 *end = NULL;

	if (difference->is_set)
		limit = strtoll(difference->value, &end, 10);
	else if (session->rabbitmq >= 4)
		limit = DEFAULT_LIMIT;
	if (end != NULL && (end == difference->value || *end != '\0'))
		return;
	if (limit < 0)
		limit = session->rabbitmq >= 4 ? NO_LIMIT : 0;
	if (limit < NO_LIMIT)
		snprintf(topology->warning, sizeof(topology->warning),
				 "queue \"%s\" drops messages that come back more than %lld "
				 "times: it has a delivery limit and no dead-letter exchange",
				 session->settings->queue, limit);
}

/*
 * Finds out whether the queue, which somebody else may have declared, drops
 * messages that it delivers too often.  AMQP cannot ask for the arguments of
 * a queue.  But who declares an existing queue with other arguments is refused
 * with the first that differs, and what it is; dead-letter exchange and type
 * come before the limit.  So one declaration tells, and one more for each
 * other argument that stands before these, which is repeated then.
 *
 * No such declaration can make or change anything.  If the queue has gone
 * meanwhile, it is refused for x-max-age, which a queue of this type must not
 * have; and that of an existing queue is not looked at.
 *
 * False if the session is lost.  That the broker does not tell is no failure.
 */
static bool
ask_for_limit(CdrSession *session, CdrTopology *topology)
{
	amqp_table_entry_t	 arguments[12];
	amqp_queue_declare_t declare = {0};
	Difference			 difference;

	arguments[0] = cdr_session_text("x-queue-type", "quorum");
	arguments[1] = cdr_session_text("x-delivery-limit", "?");
	arguments[2] = cdr_session_text("x-max-age", "?");
	declare.queue = amqp_cstring_bytes(session->settings->queue);
	declare.durable = 1;
	declare.arguments.entries = arguments;

	for (int known = 3; known < (int) lengthof(arguments); known++)
	{
		declare.arguments.num_entries = known;
		if (cdr_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &declare,
							 AMQP_QUEUE_DECLARE_OK_METHOD))
			return true;
		topology->may_not_ask = session->close_code == AMQP_ACCESS_REFUSED;
		if (session->close_code == 0 || !cdr_session_open_channel(session))
			return false;
		if (!parse_difference(session->reason.message, &difference))
			return true;
		if (strcmp(difference.name, "x-delivery-limit") == 0)
		{
			judge_limit(session, topology, &difference);
			return true;
		}
		if (strcmp(difference.name, "x-dead-letter-exchange") == 0 ||
			strcmp(difference.name, "x-queue-type") == 0 ||
			strcmp(difference.name, "durable") == 0)
		{
			/* it has one; it is of a type without a limit, as all are that
			 * are not durable */
			topology->may_drop = false;
			return true;
		}
		if (!repeat_argument(&difference, &arguments[known]))
			return true;
	}
	return true;
}

void
cdr_topology_note_delivery(CdrTopology			   *topology,
						   const CdrBrokerSettings *settings, int64 count)
{
	if (count >= DELIVERIES_TO_WARN_OF && topology->may_drop &&
		topology->warning[0] == '\0')
		snprintf(topology->warning, sizeof(topology->warning),
				 "queue \"%s\" delivers messages again and again: if it has a "
				 "delivery limit, from a policy perhaps, and no dead-letter "
				 "exchange, it will drop them",
				 settings->queue);
}

bool
cdr_topology_ensure(CdrSession *session, CdrTopology *topology)
{
	bool found;

	topology->warning[0] = '\0';
	topology->may_drop = true;
	if (session->settings->declare == CDR_DECLARE_NEVER ||
		session->settings->exchange[0] == '\0')
	{
		if (!ensure_queue(session, topology, &found))
			return false;
	}
	else if (!ensure_exchange(session) ||
			 !ensure_queue(session, topology, &found) ||
			 !ensure_bindings(session))
		return false;

	/* others than RabbitMQ may take the question for a declaration */
	if (!found || session->rabbitmq == 0 || topology->may_not_ask)
		return true;
	return ask_for_limit(session, topology);
}
