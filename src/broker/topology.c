/*-------------------------------------------------------------------------
 *
 * topology.c
 *	  Exchange, queue and bindings, which the service finds or declares.
 *
 * What is there is used as it is; what is missing is declared, unless
 * cdr_service.declare forbids it.  Of what is there it is found out whether it
 * loses, hides or shares events (facts.c, risks.c).  A stream is refused: it
 * would be consumed from its end, and what came before or meanwhile be lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "broker/risks.h"
#include "broker/topology.h"

/* Without trouble a message comes once; after a crash or two, once more. */
#define DELIVERIES_TO_WARN_OF 3

/* ------------------------------------------------------------------------
 * What is declared
 * ------------------------------------------------------------------------
 */

/*
 * The queue as the service declares it: so that it never drops a message,
 * however often it has to deliver it.  The limit is one that is never reached:
 * to RabbitMQ 4 a negative one would mean none, but 3.10 then drops a message
 * at its first return; and a queue without any has none in 3.10, but one of 20
 * since 4.0.  The type is named because a virtual host may have another
 * default.
 */
static void
assume_own_queue(CdrFacts *facts, const CdrBrokerSettings *settings)
{
	memset(facts, 0, sizeof(CdrFacts));
	facts->durable = true;
	if (settings->queue_type == CDR_QUEUE_QUORUM)
	{
		cdr_facts_assume(facts, "x-queue-type", "quorum");
		cdr_facts_assume_number(facts, "x-delivery-limit", CDR_NO_LIMIT);
	}
	else
		cdr_facts_assume(facts, "x-queue-type", "classic");
	if (settings->dead_letter_exchange[0] != '\0')
		cdr_facts_assume(facts, "x-dead-letter-exchange",
						 settings->dead_letter_exchange);
}

static void
assume_own_exchange(CdrFacts *facts)
{
	memset(facts, 0, sizeof(CdrFacts));
	facts->durable = true;
	strlcpy(facts->type, "topic", sizeof(facts->type));
}

void
cdr_topology_init(CdrTopology *topology, CdrWarnings *warnings)
{
	memset(topology, 0, sizeof(CdrTopology));
	topology->warnings = warnings;
	cdr_bindings_init(&topology->bindings);
}

void
cdr_topology_forget(CdrTopology *topology)
{
	topology->queue.known = topology->exchange.known = false;
	topology->queue_forbidden = topology->exchange_forbidden = false;
	topology->queue_declared = topology->exchange_declared = false;
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
declare_exchange(CdrSession *session, CdrTopology *topology)
{
	amqp_exchange_declare_t declare = {0};

	declare.exchange = amqp_cstring_bytes(session->settings->exchange);
	declare.type = amqp_cstring_bytes("topic");
	declare.durable = 1;
	if (!cdr_session_call(session, AMQP_EXCHANGE_DECLARE_METHOD, &declare,
						  AMQP_EXCHANGE_DECLARE_OK_METHOD))
		return false;
	assume_own_exchange(&topology->exchange);
	topology->exchange.known = topology->exchange_declared = true;
	ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
				  errmsg("declared exchange \"%s\", because it did not exist",
						 session->settings->exchange)));
	return true;
}

/* Is the exchange there?  False also if the session is lost. */
static bool
find_exchange(CdrSession *session, const char *exchange)
{
	amqp_exchange_declare_t declare = {0};

	declare.exchange = amqp_cstring_bytes(exchange);
	declare.type = amqp_cstring_bytes("topic");
	declare.passive = 1;
	return cdr_session_call(session, AMQP_EXCHANGE_DECLARE_METHOD, &declare,
							AMQP_EXCHANGE_DECLARE_OK_METHOD);
}

/* Sets *found to whether the exchange was there already. */
static bool
ensure_exchange(CdrSession *session, CdrTopology *topology, bool *found)
{
	*found = find_exchange(session, session->settings->exchange);
	return *found ||
		   (may_declare(session) && declare_exchange(session, topology));
}

static bool
declare_queue(CdrSession *session, CdrTopology *topology)
{
	amqp_queue_declare_t declare = {0};
	amqp_table_entry_t	 entries[CDR_ARGUMENTS_MAX];
	CdrFacts			*facts = &topology->queue;

	assume_own_queue(facts, session->settings);
	declare.queue = amqp_cstring_bytes(session->settings->queue);
	declare.durable = 1;
	declare.arguments.num_entries = facts->count;
	declare.arguments.entries = entries;
	for (int i = 0; i < facts->count; i++)
		(void) cdr_facts_encode(&facts->arguments[i], &entries[i]);
	if (!cdr_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &declare,
						  AMQP_QUEUE_DECLARE_OK_METHOD))
		return false;
	facts->known = topology->queue_declared = true;
	ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
				  errmsg("declared queue \"%s\", because it did not exist",
						 session->settings->queue)));
	return true;
}

/* Is the queue there?  False also if the session is lost. */
static bool
find_queue(CdrSession *session, const char *queue)
{
	amqp_queue_declare_t declare = {0};

	declare.queue = amqp_cstring_bytes(queue);
	declare.passive = 1;
	return cdr_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &declare,
							AMQP_QUEUE_DECLARE_OK_METHOD);
}

/* Sets *found to whether the queue was there already. */
static bool
ensure_queue(CdrSession *session, CdrTopology *topology, bool *found)
{
	*found = find_queue(session, session->settings->queue);
	return *found ||
		   (may_declare(session) && declare_queue(session, topology));
}

/* ------------------------------------------------------------------------
 * What is there already
 * ------------------------------------------------------------------------
 */

static bool
refuse_stream(CdrSession *session)
{
	cdr_session_fail(session, ERRCODE_FEATURE_NOT_SUPPORTED,
					 "queue \"%s\" is a stream, which the service does not "
					 "consume from",
					 session->settings->queue);
	session->reason.reason.hint =
		"Bind a quorum queue to the same exchange, and name it in "
		"cdr_service.queue.";
	return false;
}

/*
 * Whoever may not declare can still tell a stream: it alone takes a consumer
 * that says at which offset to begin.  Fails if it is one.
 */
static bool
refuse_if_stream(CdrSession *session)
{
	amqp_basic_qos_t	 qos = {0};
	amqp_basic_consume_t consume = {0};
	amqp_table_entry_t	 offset = cdr_session_text("x-stream-offset", "next");

	qos.prefetch_count = 1;
	consume.queue = amqp_cstring_bytes(session->settings->queue);
	consume.arguments.num_entries = 1;
	consume.arguments.entries = &offset;
	if (!cdr_session_call(session, AMQP_BASIC_QOS_METHOD, &qos,
						  AMQP_BASIC_QOS_OK_METHOD))
		return false;
	if (cdr_session_call(session, AMQP_BASIC_CONSUME_METHOD, &consume,
						 AMQP_BASIC_CONSUME_OK_METHOD))
		return refuse_stream(session);
	/* any other refusal comes again, when it is consumed from */
	return session->close_code != 0 && cdr_session_open_channel(session);
}

/* Is a queue there that is not ours?  What the answer says of it is not kept. */
static bool
find_other_queue(CdrSession *session, const char *queue)
{
	int64 backlog = session->backlog;
	int64 consumers = session->consumers;
	bool  found = find_queue(session, queue);

	session->backlog = backlog;
	session->consumers = consumers;
	return found;
}

/* Sets *letters to what becomes of what the default exchange is to move. */
static bool
look_for_dead_letter_queue(CdrSession *session, const CdrFacts *facts,
						   CdrDeadLetters *letters)
{
	const char *key = cdr_facts_argument(facts, "x-dead-letter-routing-key");

	*letters = key != NULL ? CDR_LETTERS_TO_QUEUE : CDR_LETTERS_BY_KEY;
	if (key == NULL || find_other_queue(session, key))
		return true;
	if (session->close_code == AMQP_NOT_FOUND)
		*letters = CDR_LETTERS_NO_QUEUE;
	return session->close_code != 0 && cdr_session_open_channel(session);
}

/* Sets *letters to what becomes of what the queue takes away. */
static bool
look_at_dead_letters(CdrSession *session, const CdrFacts *facts,
					 CdrDeadLetters *letters)
{
	const char *exchange = cdr_facts_argument(facts, "x-dead-letter-exchange");

	*letters =
		exchange != NULL ? CDR_LETTERS_TO_EXCHANGE : CDR_LETTERS_DROPPED;
	if (exchange == NULL)
		return true;
	/* unless all is known, it may be a value that was not told */
	if (exchange[0] == '\0')
		return !facts->known ||
			   look_for_dead_letter_queue(session, facts, letters);
	if (find_exchange(session, exchange))
		return true;
	if (session->close_code == AMQP_NOT_FOUND)
		*letters = CDR_LETTERS_NO_EXCHANGE;
	return session->close_code != 0 && cdr_session_open_channel(session);
}

/* Warns of the queue, and refuses a stream. */
static bool
look_at_queue(CdrSession *session, CdrTopology *topology)
{
	CdrFacts	  *facts = &topology->queue;
	const char	  *type;
	CdrDeadLetters letters;

	if (!topology->queue_forbidden)
	{
		if (!facts->known)
			assume_own_queue(facts, session->settings);
		switch (cdr_facts_of_queue(session, facts))
		{
			case CDR_SESSION_LOST:
				return false;
			case CDR_FORBIDDEN:
				topology->queue_forbidden = true;
				break;
			case CDR_ANSWERED:
				break;
		}
	}
	if (topology->queue_forbidden)
		return refuse_if_stream(session);

	type = cdr_facts_argument(facts, "x-queue-type");
	if (type != NULL && strcmp(type, "stream") == 0)
		return refuse_stream(session);
	if (!facts->known && !refuse_if_stream(session))
		return false;
	if (!look_at_dead_letters(session, facts, &letters))
		return false;
	cdr_risks_of_queue(session, facts, letters, topology->warnings);
	/* where its dead letters are lost, that is told by now */
	topology->may_drop = type != NULL && strcmp(type, "quorum") == 0 &&
						 letters == CDR_LETTERS_DROPPED;
	return true;
}

static bool
look_at_exchange(CdrSession *session, CdrTopology *topology)
{
	CdrFacts *facts = &topology->exchange;

	if (topology->exchange_forbidden)
		return true;
	if (!facts->known)
		assume_own_exchange(facts);
	switch (cdr_facts_of_exchange(session, facts))
	{
		case CDR_SESSION_LOST:
			return false;
		case CDR_FORBIDDEN:
			topology->exchange_forbidden = true;
			break;
		case CDR_ANSWERED:
			cdr_risks_of_exchange(session, facts, topology->warnings);
			break;
	}
	return true;
}

/*
 * A name that is misspelt is declared, and nothing ever comes.  So it is told
 * what was declared, until something has come.
 */
static void
warn_of_declared(const CdrTopology		 *topology,
				 const CdrBrokerSettings *settings)
{
	const char *hint =
		"This is in order if the service is new. Otherwise look whether "
		"cdr_service.exchange and cdr_service.queue are spelled right.";

	if (topology->exchange_declared)
		cdr_warnings_set(topology->warnings, "declared", hint,
						 "exchange \"%s\" did not exist and was declared, and "
						 "nothing has come through it yet",
						 settings->exchange);
	else if (topology->queue_declared)
		cdr_warnings_set(topology->warnings, "declared", hint,
						 "queue \"%s\" did not exist and was declared, and "
						 "nothing has come through it yet",
						 settings->queue);
}

/* Is there an exchange that the service binds the queue to itself? */
static bool
binds_itself(const CdrBrokerSettings *settings)
{
	return settings->declare != CDR_DECLARE_NEVER &&
		   settings->exchange[0] != '\0';
}

bool
cdr_topology_ensure(CdrSession *session, CdrTopology *topology)
{
	bool has_exchange = binds_itself(session->settings);
	bool exchange_found = false;
	bool queue_found;

	topology->may_drop = true;
	if (has_exchange && !ensure_exchange(session, topology, &exchange_found))
		return false;
	if (!ensure_queue(session, topology, &queue_found))
		return false;
	/* others than RabbitMQ may take a question for a declaration */
	if (session->rabbitmq != 0)
	{
		if (exchange_found && !look_at_exchange(session, topology))
			return false;
		if (!look_at_queue(session, topology))
			return false;
	}
	if (has_exchange && !cdr_bindings_ensure(session, &topology->bindings))
		return false;
	warn_of_declared(topology, session->settings);
	return true;
}

bool
cdr_topology_renew(CdrSession *session)
{
	return !binds_itself(session->settings) || cdr_bindings_renew(session);
}

/* ------------------------------------------------------------------------
 * What comes
 * ------------------------------------------------------------------------
 */

/* Is the message one that our bindings have not let through? */
static bool
is_foreign(const CdrTopology *topology, const CdrBrokerSettings *settings,
		   const CdrMessage *message)
{
	return settings->declare != CDR_DECLARE_NEVER &&
		   message->exchange != NULL && message->routing_key != NULL &&
		   strcmp(message->exchange, settings->exchange) == 0 &&
		   !cdr_bindings_match(&topology->bindings, message->routing_key);
}

void
cdr_topology_note_delivery(CdrTopology			   *topology,
						   const CdrBrokerSettings *settings,
						   const CdrMessage		   *message)
{
	CdrWarnings *warnings = topology->warnings;

	if (message->delivery_count >= DELIVERIES_TO_WARN_OF &&
		topology->may_drop &&
		!cdr_warnings_has(warnings, "x-delivery-limit") &&
		!cdr_warnings_has(warnings, "x-delivery-count"))
		cdr_warnings_set(
			warnings, "x-delivery-count",
			"Give the queue a dead-letter exchange, or a delivery limit that "
			"is never reached.",
			"queue \"%s\" delivers messages again and again: if it has a "
			"delivery limit, from a policy perhaps, and no dead-letter "
			"exchange, it will drop them",
			settings->queue);
	if (topology->exchange_declared || topology->queue_declared)
	{
		topology->exchange_declared = topology->queue_declared = false;
		cdr_warnings_unset(warnings, "declared");
	}
	if (topology->exchange.known &&
		strcmp(topology->exchange.type, "topic") == 0 &&
		!cdr_warnings_has(warnings, "binding") &&
		is_foreign(topology, settings, message))
		cdr_warnings_set(warnings, "binding",
						 "Remove bindings that are not wanted any more at the "
						 "broker, or name their keys in "
						 "cdr_service.binding_keys.",
						 "queue \"%s\" has, or had, a binding to exchange "
						 "\"%s\" that is not in cdr_service.binding_keys: an "
						 "event came with routing key \"%s\"",
						 settings->queue, settings->exchange,
						 message->routing_key);
}
