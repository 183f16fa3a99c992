/*-------------------------------------------------------------------------
 *
 * risks.c
 *	  Whether what a queue or an exchange is gives reason to fear for events.
 *
 * What the service declares itself gives none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "broker/risks.h"

/* What RabbitMQ 4 gives to a quorum queue without a limit of its own. */
#define DEFAULT_LIMIT 20

static const char declare_anew[] =
	"Declare the queue anew without this, or name another queue in "
	"cdr_service.queue.";

/* Arguments that lose nothing, or that another one is judged with. */
static const char *const harmless[] = {
	"x-queue-type", "x-overflow", "x-max-priority", "x-queue-mode",
	"x-queue-version", "x-queue-master-locator", "x-queue-leader-locator",
	"x-max-in-memory-length", "x-max-in-memory-bytes",
	"x-quorum-initial-group-size", "x-quorum-target-group-size",
	"x-dead-letter-routing-key", "x-dead-letter-strategy",
	/* what it takes back comes again; how often, is the delivery limit's */
	"x-consumer-timeout",
	/* these have judges of their own */
	"x-delivery-limit", "x-dead-letter-exchange", "x-single-active-consumer",
	"x-max-length", "x-max-length-bytes"};

/* ... and those that take events away, with what they do. */
static const struct
{
	const char *name;
	const char *effect;
	bool to_dead_letters; /* or dropped, which the effect goes on with */
} harmful[] = {
	{"x-expires",
	 "RabbitMQ deletes it, with its messages, when nobody has "
	 "consumed from it for so many milliseconds",
	 false},
	{"x-message-ttl", "messages that wait for longer, in milliseconds, are ",
	 true},
	{"x-message-deduplication",
	 "messages that it takes for repetitions are "
	 "dropped",
	 false},
};

static bool
is_harmless(const char *name)
{
	for (int i = 0; i < (int) lengthof(harmless); i++)
	{
		if (strcmp(harmless[i], name) == 0)
			return true;
	}
	return false;
}

/* "NAME = VALUE", in the current context. */
static const char *
in_words(const CdrArgument *argument)
{
	if (argument->value[0] == '\0')
		return argument->name;
	return psprintf("%s = %s", argument->name, argument->value);
}

/* What becomes of a message that the queue takes away. */
static const char *
fate(const CdrFacts *facts, CdrDeadLetters letters)
{
	switch (letters)
	{
		case CDR_LETTERS_TO_EXCHANGE:
			return psprintf(
				"moved to exchange \"%s\"",
				cdr_facts_argument(facts, "x-dead-letter-exchange"));
		case CDR_LETTERS_TO_QUEUE:
			return psprintf(
				"moved to queue \"%s\"",
				cdr_facts_argument(facts, "x-dead-letter-routing-key"));
		case CDR_LETTERS_BY_KEY:
			return "moved to the queue that their routing key names";
		case CDR_LETTERS_DROPPED:
		case CDR_LETTERS_NO_EXCHANGE:
		case CDR_LETTERS_NO_QUEUE:
			break;
	}
	return "dropped";
}

static void
warn_of_argument(const char *queue, const char *taken,
				 const CdrArgument *argument, CdrWarnings *warnings)
{
	for (int i = 0; i < (int) lengthof(harmful); i++)
	{
		if (strcmp(harmful[i].name, argument->name) != 0)
			continue;
		cdr_warnings_set(warnings, argument->name, declare_anew,
						 "queue \"%s\" has %s: %s%s", queue,
						 in_words(argument), harmful[i].effect,
						 harmful[i].to_dead_letters ? taken : "");
		return;
	}
	cdr_warnings_set(warnings, argument->name,
					 "Look up what it does; if it takes no messages away, it "
					 "is harmless.",
					 "queue \"%s\" has %s, of which the service knows nothing",
					 queue, in_words(argument));
}

/* A queue that is full drops its oldest messages, or refuses new ones. */
static void
warn_of_length(const char *queue, const CdrFacts *facts, const char *taken,
			   const CdrArgument *argument, CdrWarnings *warnings)
{
	const char *overflow = cdr_facts_argument(facts, "x-overflow");
	const char *effect;

	if (overflow == NULL || strcmp(overflow, "drop-head") == 0)
		effect =
			psprintf("when it is full, its oldest messages are %s", taken);
	else if (strcmp(overflow, "reject-publish-dlx") == 0)
		effect = psprintf("when it is full, new messages are %s", taken);
	else
		effect = "when it is full, new messages are refused, and lost unless "
				 "their publisher waits for confirms and tries again";
	cdr_warnings_set(warnings, argument->name, declare_anew,
					 "queue \"%s\" has %s%s%s: %s", queue, in_words(argument),
					 overflow ? ", x-overflow = " : "",
					 overflow ? overflow : "", effect);
}

/* After how many redeliveries a quorum queue drops a message. */
static void
warn_of_limit(const CdrSession *session, const CdrFacts *facts,
			  CdrWarnings *warnings)
{
	const char *value = cdr_facts_argument(facts, "x-delivery-limit");
	long long	limit = CDR_NO_LIMIT;
	char	   *end;

	if (value != NULL)
	{
		limit = strtoll(value, &end, 10);
		if (end == value || *end != '\0')
			return;
	}
	else if (session->rabbitmq >= 4)
		limit = DEFAULT_LIMIT;
	if (limit < 0)
		limit = session->rabbitmq >= 4 ? CDR_NO_LIMIT : 0;
	if (limit < CDR_NO_LIMIT &&
		cdr_facts_argument(facts, "x-dead-letter-exchange") == NULL)
		cdr_warnings_set(
			warnings, "x-delivery-limit",
			"Give the queue a dead-letter exchange, or a delivery limit that "
			"is never reached.",
			"queue \"%s\" drops messages that come back more than %lld times: "
			"it has a delivery limit and no dead-letter exchange "
			"(x-delivery-limit = %s)",
			session->settings->queue, limit,
			value ? value : "none, which is 20 to RabbitMQ 4");
}

/* The type of the queue is another than what was asked for. */
static void
warn_of_type(const CdrSession *session, const CdrFacts *facts,
			 CdrWarnings *warnings)
{
	const char *type = cdr_facts_argument(facts, "x-queue-type");
	const char *wanted = session->settings->queue_type == CDR_QUEUE_QUORUM
							 ? "quorum"
							 : "classic";

	if (type == NULL)
		type = "classic";
	if (type[0] != '\0' && strcmp(type, wanted) != 0)
		cdr_warnings_set(warnings, "x-queue-type",
						 "The type of a queue cannot be changed. Set "
						 "cdr_service.queue_type to what it is, or name "
						 "another queue in cdr_service.queue.",
						 "queue \"%s\" has x-queue-type = %s, while "
						 "cdr_service.queue_type is %s",
						 session->settings->queue, type, wanted);
}

/* Where the queue puts what it takes away. */
static void
warn_of_dead_letters(const CdrSession *session, const CdrFacts *facts,
					 CdrDeadLetters letters, CdrWarnings *warnings)
{
	const char *exchange = cdr_facts_argument(facts, "x-dead-letter-exchange");
	const char *wanted = session->settings->dead_letter_exchange;

	if (letters == CDR_LETTERS_NO_EXCHANGE)
		cdr_warnings_set(warnings, "x-dead-letter-exchange",
						 "Declare that exchange, with a queue bound to it.",
						 "queue \"%s\" has x-dead-letter-exchange = %s, which "
						 "does not exist: what the queue takes away is lost",
						 session->settings->queue, exchange);
	else if (letters == CDR_LETTERS_NO_QUEUE)
		cdr_warnings_set(
			warnings, "x-dead-letter-exchange", "Declare that queue.",
			"queue \"%s\" has x-dead-letter-exchange = \"\", the default one, and "
			"x-dead-letter-routing-key = %s, a queue that does not exist: what "
			"the queue takes away is lost",
			session->settings->queue,
			cdr_facts_argument(facts, "x-dead-letter-routing-key"));
	else if (letters == CDR_LETTERS_BY_KEY)
		cdr_warnings_set(
			warnings, "x-dead-letter-exchange",
			"Declare it anew with an x-dead-letter-routing-key that names a "
			"queue, or have a policy set dead-letter-routing-key.",
			"queue \"%s\" has x-dead-letter-exchange = \"\", the default one, and "
			"no x-dead-letter-routing-key: what the queue takes away is lost, "
			"unless a queue is named like the message's routing key",
			session->settings->queue);
	else if (wanted[0] != '\0' &&
			 (exchange == NULL || strcmp(exchange, wanted) != 0))
		cdr_warnings_set(warnings, "x-dead-letter-exchange",
						 "The arguments of a queue cannot be changed. Declare "
						 "it anew, or set a policy.",
						 "queue \"%s\" has %s%s, while "
						 "cdr_service.dead_letter_exchange is %s",
						 session->settings->queue,
						 exchange ? "x-dead-letter-exchange = "
								  : "no x-dead-letter-exchange",
						 exchange ? exchange : "", wanted);
}

static void
warn_of_single_consumer(const CdrSession *session, const CdrFacts *facts,
						CdrWarnings *warnings)
{
	const char *single = cdr_facts_argument(facts, "x-single-active-consumer");

	if (single != NULL && strcmp(single, "true") == 0 &&
		session->settings->workers > 1)
		cdr_warnings_set(warnings, "x-single-active-consumer",
						 "Set cdr_service.workers to 1, or declare the queue "
						 "anew without this.",
						 "queue \"%s\" has x-single-active-consumer = true: "
						 "only one of %d workers is sent messages",
						 session->settings->queue, session->settings->workers);
}

void
cdr_risks_of_queue(const CdrSession *session, const CdrFacts *facts,
				   CdrDeadLetters letters, CdrWarnings *warnings)
{
	const char *queue = session->settings->queue;
	const char *taken = fate(facts, letters);
	const char *type = cdr_facts_argument(facts, "x-queue-type");

	if (!facts->durable)
		cdr_warnings_set(
			warnings, "durable", declare_anew,
			"queue \"%s\" is not durable (durable = false): it is "
			"gone, with its messages, when RabbitMQ restarts",
			queue);
	if (facts->auto_delete)
		cdr_warnings_set(warnings, "auto_delete", declare_anew,
						 "queue \"%s\" is auto_delete: RabbitMQ deletes it, "
						 "with its messages, when nobody consumes from it any "
						 "more",
						 queue);
	for (int i = 0; i < facts->count; i++)
	{
		const CdrArgument *argument = &facts->arguments[i];

		if (strcmp(argument->name, "x-max-length") == 0 ||
			strcmp(argument->name, "x-max-length-bytes") == 0)
			warn_of_length(queue, facts, taken, argument, warnings);
		else if (!is_harmless(argument->name))
			warn_of_argument(queue, taken, argument, warnings);
	}
	if (type != NULL && strcmp(type, "quorum") == 0)
		warn_of_limit(session, facts, warnings);
	warn_of_dead_letters(session, facts, letters, warnings);
	warn_of_single_consumer(session, facts, warnings);
	warn_of_type(session, facts, warnings);
}

/* ------------------------------------------------------------------------
 * The exchange
 * ------------------------------------------------------------------------
 */

/* Does a wildcard share its word with anything, as in "call.end*"? */
static bool
has_glued_wildcard(const char *keys)
{
	for (const char *word = keys; *word != '\0';)
	{
		size_t length = strcspn(word, "." CDR_KEY_SEPARATORS);

		if (length > 1 && strcspn(word, "*#") < length)
			return true;
		word += length;
		word += strspn(word, "." CDR_KEY_SEPARATORS);
	}
	return false;
}

/* What a type of exchange makes of the binding keys; NULL: what is meant. */
static const char *
misreading(const char *type, const char *keys)
{
	if (strcmp(type, "topic") == 0)
		return has_glued_wildcard(keys)
				   ? "to which \"*\" and \"#\" within a word, as in "
					 "cdr_service.binding_keys, are no wildcards"
				   : NULL;
	if (strcmp(type, "direct") == 0)
		return strpbrk(keys, "*#") == NULL
				   ? NULL
				   : "to which \"*\" and \"#\" in cdr_service.binding_keys "
					 "are no wildcards: no other routing keys come";
	if (strcmp(type, "fanout") == 0 || strcmp(type, "headers") == 0)
		return strcmp(keys, "#") == 0
				   ? NULL
				   : "to which cdr_service.binding_keys mean nothing: all "
					 "events come";
	return "which may let only a part of the events through";
}

void
cdr_risks_of_exchange(const CdrSession *session, const CdrFacts *facts,
					  CdrWarnings *warnings)
{
	const char *exchange = session->settings->exchange;
	const char *effect =
		misreading(facts->type, session->settings->binding_keys);

	if (effect != NULL && facts->type[0] != '\0')
		cdr_warnings_set(warnings, "exchange type",
						 "Name an exchange of type topic, or keys that suit "
						 "its type.",
						 "exchange \"%s\" is of type %s, %s", exchange,
						 facts->type, effect);
	if (!facts->durable)
		cdr_warnings_set(
			warnings, "exchange durable",
			"Declare the exchange anew, as durable.",
			"exchange \"%s\" is not durable: it is gone, with its "
			"bindings, when RabbitMQ restarts",
			exchange);
	if (facts->auto_delete)
		cdr_warnings_set(warnings, "exchange auto_delete",
						 "Declare the exchange anew, without auto_delete.",
						 "exchange \"%s\" is auto_delete: RabbitMQ deletes it "
						 "when nothing is bound to it any more",
						 exchange);
	if (facts->internal)
		cdr_warnings_set(warnings, "exchange internal",
						 "Bind it to the exchange that events are published "
						 "to, or name that one in cdr_service.exchange.",
						 "exchange \"%s\" is internal: nothing comes but what "
						 "other exchanges pass on to it",
						 exchange);
}
