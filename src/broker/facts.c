/*-------------------------------------------------------------------------
 *
 * facts.c
 *	  What an exchange or a queue is that somebody else may have declared.
 *
 * One declaration after the other, each with what the refusal of the one
 * before has told, until the broker has nothing to refuse any more.  Each
 * refusal closes the channel, which is opened again.
 *
 * No such declaration can change anything that exists: RabbitMQ compares, and
 * no more.  Nor can it make a queue, if that has gone meanwhile: it has an
 * x-max-age, which RabbitMQ neither compares nor accepts of a queue that is no
 * stream.  Of an exchange, the first declaration is the one that the service
 * would make; the others have an alternate exchange of a type that RabbitMQ
 * compares last and does not accept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "broker/facts.h"

/* Declarations for one question: all properties there are, and some. */
#define TRIES_MAX 30

/* A property in which a declaration differs from what there is. */
typedef struct Difference
{
	CdrArgument current; /* what there is, if the broker says so */
	bool		told;	 /* does it? */
	bool		is_set;	 /* is there any? */
} Difference;

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------
 */

static CdrArgument *
find_argument(CdrFacts *facts, const char *name)
{
	for (int i = 0; i < facts->count; i++)
	{
		if (strcmp(facts->arguments[i].name, name) == 0)
			return &facts->arguments[i];
	}
	return NULL;
}

/* False if there is no room for more. */
static bool
put_argument(CdrFacts *facts, const CdrArgument *argument)
{
	CdrArgument *place = find_argument(facts, argument->name);

	if (place == NULL)
	{
		if (facts->count == CDR_ARGUMENTS_MAX)
			return false;
		place = &facts->arguments[facts->count++];
	}
	*place = *argument;
	return true;
}

static void
remove_argument(CdrFacts *facts, const char *name)
{
	CdrArgument *place = find_argument(facts, name);

	if (place != NULL)
		*place = facts->arguments[--facts->count];
}

void
cdr_facts_assume(CdrFacts *facts, const char *name, const char *value)
{
	CdrArgument argument = {.type = "longstr"};

	strlcpy(argument.name, name, sizeof(argument.name));
	strlcpy(argument.value, value, sizeof(argument.value));
	(void) put_argument(facts, &argument);
}

void
cdr_facts_assume_number(CdrFacts *facts, const char *name, int64 value)
{
	CdrArgument argument = {.type = "long"};

	strlcpy(argument.name, name, sizeof(argument.name));
	snprintf(argument.value, sizeof(argument.value), INT64_FORMAT, value);
	(void) put_argument(facts, &argument);
}

const char *
cdr_facts_argument(const CdrFacts *facts, const char *name)
{
	const CdrArgument *argument = find_argument((CdrFacts *) facts, name);

	return argument != NULL ? argument->value : NULL;
}

bool
cdr_facts_encode(const CdrArgument *argument, amqp_table_entry_t *entry)
{
	char *end;

	*entry = cdr_session_text(argument->name, argument->value);
	if (strcmp(argument->type, "longstr") == 0)
		return true;
	if (strcmp(argument->type, "bool") == 0)
	{
		entry->value.kind = AMQP_FIELD_KIND_BOOLEAN;
		entry->value.value.boolean = strcmp(argument->value, "true") == 0;
		return true;
	}
	/* whole numbers of all sizes are the same to the broker */
	entry->value.kind = AMQP_FIELD_KIND_I64;
	entry->value.value.i64 = strtoll(argument->value, &end, 10);
	return end != argument->value && *end == '\0';
}

/* ------------------------------------------------------------------------
 * Refusals
 * ------------------------------------------------------------------------
 */

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

/* What stands behind a phrase, or NULL. */
static const char *
behind(const char *text, const char *phrase)
{
	const char *at = text ? strstr(text, phrase) : NULL;

	return at != NULL ? at + strlen(phrase) : NULL;
}

/* The last occurrence of a phrase, or NULL. */
static const char *
last_of(const char *text, const char *phrase)
{
	const char *last = NULL;

	for (const char *at = strstr(text, phrase); at != NULL;
		 at = strstr(at + 1, phrase))
		last = at;
	return last;
}

/*
 * Reads a refusal: "... inequivalent arg 'NAME' for KIND 'OBJECT' in vhost ...:
 * received ... but current is none", or "... is 'VALUE'", or "... is the value
 * 'VALUE' of type 'TYPE'".  What does not fit into 255 bytes is cut off by the
 * broker; then the value is not told.
 */
static bool
parse_difference(const char *refusal, const char *object,
				 Difference *difference)
{
	CdrArgument *current = &difference->current;
	const char	*name = behind(refusal, "inequivalent arg '");
	const char	*rest = behind(name, "' for ");
	const char	*end;

	memset(difference, 0, sizeof(Difference));
	if (rest == NULL || !copy_until(current->name, sizeof(current->name), name,
									strchr(name, '\'')))
		return false;
	/* names may hold any words, those of the broker too */
	rest = behind(rest, "'");
	if (rest == NULL || strlen(rest) < strlen(object))
		return true;
	rest = behind(behind(rest + strlen(object), "': received "),
				  " but current is ");
	if (rest == NULL)
		return true;
	difference->told = strcmp(rest, "none") == 0;
	if (difference->told)
		return true;
	difference->is_set = true;
	if (strncmp(rest, "the value '", strlen("the value '")) == 0)
	{
		rest += strlen("the value '");
		end = last_of(rest, "' of type '");
		difference->told =
			copy_until(current->value, sizeof(current->value), rest, end) &&
			copy_until(current->type, sizeof(current->type),
					   end + strlen("' of type '"), strrchr(rest, '\''));
	}
	else if (rest[0] == '\'' && strlen(rest) > 1)
		difference->told = copy_until(current->value, sizeof(current->value),
									  rest + 1, strrchr(rest + 1, '\''));
	return true;
}

/* A property that is there or not, of which a refusal says which. */
static bool
take_flag(bool *flag, const Difference *difference)
{
	*flag = difference->told ? strcmp(difference->current.value, "true") == 0
							 : !*flag;
	return true;
}

/* Takes a difference in; false if nothing more can be asked. */
static bool
take_difference(CdrFacts *facts, const Difference *difference)
{
	CdrArgument	 current = difference->current;
	CdrArgument *assumed = find_argument(facts, current.name);

	if (strcmp(current.name, "durable") == 0)
		return take_flag(&facts->durable, difference);
	if (strcmp(current.name, "auto_delete") == 0)
		return take_flag(&facts->auto_delete, difference);
	if (strcmp(current.name, "internal") == 0)
		return take_flag(&facts->internal, difference);
	if (strcmp(current.name, "type") == 0)
	{
		strlcpy(facts->type, current.value, sizeof(facts->type));
		return difference->told;
	}
	if (difference->told && !difference->is_set)
	{
		remove_argument(facts, current.name);
		return assumed != NULL;
	}
	if (!difference->told)
		current.value[0] = '\0';
	/* of two values of one type, only the values are told */
	if (current.type[0] == '\0')
		strlcpy(current.type, assumed ? assumed->type : "longstr",
				sizeof(current.type));
	return put_argument(facts, &current) && difference->told;
}

/*
 * The broker has refused a declaration: takes in why.  False, and the answer
 * in *answer, if there is nothing more to ask.
 */
static bool
take_refusal(CdrSession *session, const char *object, CdrFacts *facts,
			 CdrAnswer *answer)
{
	Difference difference;
	bool	   forbidden = session->close_code == AMQP_ACCESS_REFUSED;

	*answer = CDR_SESSION_LOST;
	if (session->close_code == 0 || !cdr_session_open_channel(session))
		return false;
	*answer = forbidden ? CDR_FORBIDDEN : CDR_ANSWERED;
	if (forbidden ||
		!parse_difference(session->reason.message, object, &difference))
		return false;
	/* what is refused although it was just told cannot be said at all */
	if (strcmp(facts->refused, difference.current.name) == 0)
		return false;
	strlcpy(facts->refused, difference.current.name, sizeof(facts->refused));
	return take_difference(facts, &difference);
}

/* ------------------------------------------------------------------------
 * Questions
 * ------------------------------------------------------------------------
 */

/* A kind of queue that can be asked about: others may accept what it lacks. */
static bool
refuses_age(const CdrFacts *facts)
{
	const char *type = cdr_facts_argument(facts, "x-queue-type");

	return type == NULL || strcmp(type, "classic") == 0 ||
		   strcmp(type, "quorum") == 0;
}

CdrAnswer
cdr_facts_of_queue(CdrSession *session, CdrFacts *facts)
{
	amqp_table_entry_t	 entries[CDR_ARGUMENTS_MAX + 1];
	amqp_queue_declare_t declare = {0};
	CdrAnswer			 answer = CDR_ANSWERED;

	facts->known = false;
	facts->refused[0] = '\0';
	declare.queue = amqp_cstring_bytes(session->settings->queue);
	declare.arguments.entries = entries;
	for (int i = 0; i < TRIES_MAX && refuses_age(facts); i++)
	{
		declare.durable = facts->durable;
		declare.auto_delete = facts->auto_delete;
		entries[0] = cdr_session_text("x-max-age", "?");
		for (int j = 0; j < facts->count; j++)
		{
			if (!cdr_facts_encode(&facts->arguments[j], &entries[j + 1]))
				return CDR_ANSWERED;
		}
		declare.arguments.num_entries = facts->count + 1;
		if (cdr_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &declare,
							 AMQP_QUEUE_DECLARE_OK_METHOD))
		{
			facts->known = true;
			return CDR_ANSWERED;
		}
		if (!take_refusal(session, session->settings->queue, facts, &answer))
			return answer;
	}
	return CDR_ANSWERED;
}

CdrAnswer
cdr_facts_of_exchange(CdrSession *session, CdrFacts *facts)
{
	amqp_table_entry_t		guard = {0};
	amqp_exchange_declare_t declare = {0};
	CdrAnswer				answer = CDR_ANSWERED;

	facts->known = false;
	facts->refused[0] = '\0';
	guard.key = amqp_cstring_bytes("alternate-exchange");
	guard.value.kind = AMQP_FIELD_KIND_BOOLEAN;
	declare.exchange = amqp_cstring_bytes(session->settings->exchange);
	declare.arguments.entries = &guard;
	for (int i = 0; i < TRIES_MAX; i++)
	{
		declare.type = amqp_cstring_bytes(facts->type);
		declare.durable = facts->durable;
		declare.auto_delete = facts->auto_delete;
		declare.internal = facts->internal;
		if (cdr_session_call(session, AMQP_EXCHANGE_DECLARE_METHOD, &declare,
							 AMQP_EXCHANGE_DECLARE_OK_METHOD))
		{
			facts->known = true;
			return CDR_ANSWERED;
		}
		declare.arguments.num_entries = 1;
		if (!take_refusal(session, session->settings->exchange, facts,
						  &answer))
			return answer;
	}
	return CDR_ANSWERED;
}
