/*-------------------------------------------------------------------------
 *
 * bindings.c
 *	  The bindings between the exchange and the queue of a session.
 *
 * AMQP cannot list bindings, nor does it tell when one goes.  To bind again
 * changes nothing, nor does it to remove a binding that is not there; so what
 * is wanted is bound at each connect, and now and then while consuming, and
 * what was wanted before, as far as this process knows, removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/options.h"
#include "broker/bindings.h"

/* What a key may be separated from the next one by. */
#define SEPARATORS CDR_KEY_SEPARATORS

/* Bytes of former keys, after which the oldest are forgotten. */
#define FORMER_MAX 4096

void
cdr_bindings_init(CdrBindings *bindings)
{
	memset(bindings, 0, sizeof(CdrBindings));
	bindings->context = CurrentMemoryContext;
}

/* Is a key among those of a list? */
static bool
is_listed(const char *keys, const char *sought)
{
	size_t length = strlen(sought);

	for (const char *key = keys + strspn(keys, SEPARATORS); *key != '\0';)
	{
		size_t size = strcspn(key, SEPARATORS);

		if (size == length && strncmp(key, sought, size) == 0)
			return true;
		key += size;
		key += strspn(key, SEPARATORS);
	}
	return false;
}

/* Without a wait, there is no answer; a refusal closes the channel all the same. */
static bool
bind_key(CdrSession *session, const char *key, bool wait)
{
	amqp_queue_bind_t bind = {0};

	bind.queue = amqp_cstring_bytes(session->settings->queue);
	bind.exchange = amqp_cstring_bytes(session->settings->exchange);
	bind.routing_key = amqp_cstring_bytes(key);
	bind.nowait = !wait;
	if (!wait)
		return cdr_session_send(session, CDR_CHANNEL, AMQP_QUEUE_BIND_METHOD,
								&bind);
	return cdr_session_call(session, AMQP_QUEUE_BIND_METHOD, &bind,
							AMQP_QUEUE_BIND_OK_METHOD);
}

static bool
bind_keys(CdrSession *session, bool wait)
{
	char *keys = pstrdup(session->settings->binding_keys);
	char *rest;
	bool  bound = true;

	for (char *key = strtok_r(keys, SEPARATORS, &rest); key != NULL && bound;
		 key = strtok_r(NULL, SEPARATORS, &rest))
		bound = bind_key(session, key, wait);
	pfree(keys);
	return bound;
}

/* Removes a binding; that the broker refuses it is told, and no failure. */
static bool
unbind_key(CdrSession *session, const CdrBindings *bindings, const char *key)
{
	amqp_queue_unbind_t unbind = {0};

	unbind.queue = amqp_cstring_bytes(bindings->queue);
	unbind.exchange = amqp_cstring_bytes(bindings->exchange);
	unbind.routing_key = amqp_cstring_bytes(key);
	if (cdr_session_call(session, AMQP_QUEUE_UNBIND_METHOD, &unbind,
						 AMQP_QUEUE_UNBIND_OK_METHOD))
	{
		ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
					  errmsg("removed the binding of queue \"%s\" to exchange "
							 "\"%s\" with key \"%s\"",
							 bindings->queue, bindings->exchange, key)));
		return true;
	}
	if (session->close_code == 0)
		return false;
	ereport(LOG, (errcode(ERRCODE_WARNING),
				  errmsg("could not remove the binding of queue \"%s\" to "
						 "exchange \"%s\" with key \"%s\": %s",
						 bindings->queue, bindings->exchange, key,
						 session->reason.message)));
	return cdr_session_open_channel(session);
}

/* Is a key that was bound before not wanted any more? */
static bool
is_outdated(const CdrSession *session, const CdrBindings *bindings,
			const char *key)
{
	return strcmp(bindings->exchange, session->settings->exchange) != 0 ||
		   !is_listed(session->settings->binding_keys, key);
}

static bool
remove_outdated(CdrSession *session, const CdrBindings *bindings)
{
	char *keys;
	char *rest;
	bool  done = true;

	if (bindings->queue == NULL)
		return true;
	if (strcmp(bindings->queue, session->settings->queue) != 0)
	{
		ereport(LOG,
				(errcode(ERRCODE_WARNING),
				 errmsg("queue \"%s\" is not consumed from any more, and "
						"still bound to exchange \"%s\"",
						bindings->queue, bindings->exchange),
				 errhint("Delete the queue, once nothing in it is needed.")));
		return true;
	}
	keys = pstrdup(bindings->keys);
	for (char *key = strtok_r(keys, SEPARATORS, &rest); key != NULL && done;
		 key = strtok_r(NULL, SEPARATORS, &rest))
		done = !is_outdated(session, bindings, key) ||
			   unbind_key(session, bindings, key);
	pfree(keys);
	return done;
}

/* Keeps what is bound now, and of what was before, the keys. */
static void
note_bindings(CdrBindings *bindings, const CdrBrokerSettings *settings)
{
	char *former = bindings->former;

	if (bindings->queue != NULL)
	{
		if (strcmp(bindings->keys, settings->binding_keys) != 0)
		{
			MemoryContext outer = MemoryContextSwitchTo(bindings->context);

			bindings->former = former != NULL && strlen(former) < FORMER_MAX
								   ? psprintf("%s,%s", former, bindings->keys)
								   : pstrdup(bindings->keys);
			if (former != NULL)
				pfree(former);
			MemoryContextSwitchTo(outer);
		}
		pfree(bindings->queue);
		pfree(bindings->exchange);
		pfree(bindings->keys);
	}
	bindings->queue = MemoryContextStrdup(bindings->context, settings->queue);
	bindings->exchange =
		MemoryContextStrdup(bindings->context, settings->exchange);
	bindings->keys =
		MemoryContextStrdup(bindings->context, settings->binding_keys);
}

bool
cdr_bindings_ensure(CdrSession *session, CdrBindings *bindings)
{
	if (!bind_keys(session, true) || !remove_outdated(session, bindings))
		return false;
	note_bindings(bindings, session->settings);
	return true;
}

bool
cdr_bindings_renew(CdrSession *session)
{
	return bind_keys(session, false);
}

/* ------------------------------------------------------------------------
 * Topics
 * ------------------------------------------------------------------------
 */

static bool
same_word(const char *a, const char *b, size_t length)
{
	return strcspn(b, ".") == length && strncmp(a, b, length) == 0;
}

/* What follows a word and its dot; NULL at the end. */
static const char *
next_word(const char *words, size_t length)
{
	return words[length] == '.' ? words + length + 1 : NULL;
}

/*
 * Does a topic match the words of a routing key?  Both are NULL when no word is
 * left.  The key ends at a separator, too.
 */
static bool
topic_matches(const char *topic, const char *words)
{
	size_t length;

	if (topic == NULL)
		return words == NULL;
	length = strcspn(topic, "." SEPARATORS);
	if (length == 1 && topic[0] == '#')
		return topic_matches(next_word(topic, length), words) ||
			   (words != NULL &&
				topic_matches(topic, next_word(words, strcspn(words, "."))));
	if (words == NULL)
		return false;
	if (!(length == 1 && topic[0] == '*') && !same_word(topic, words, length))
		return false;
	return topic_matches(next_word(topic, length),
						 next_word(words, strcspn(words, ".")));
}

static bool
any_matches(const char *keys, const char *routing_key)
{
	const char *key = keys;

	for (key += strspn(key, SEPARATORS); *key != '\0';
		 key += strspn(key, SEPARATORS))
	{
		if (topic_matches(key, routing_key))
			return true;
		key += strcspn(key, SEPARATORS);
	}
	return false;
}

bool
cdr_bindings_match(const CdrBindings *bindings, const char *routing_key)
{
	return (bindings->keys != NULL &&
			any_matches(bindings->keys, routing_key)) ||
		   (bindings->former != NULL &&
			any_matches(bindings->former, routing_key));
}
