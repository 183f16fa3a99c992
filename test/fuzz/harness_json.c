/*-------------------------------------------------------------------------
 *
 * harness_json.c
 *	  Holds what was read from JSON to what the server reads there: with the
 *	  lexer that resolves all escapes, and callbacks that get them resolved.
 *
 * The server refuses a body with an escape that no text can hold.  Of such a
 * body, any other escape put in its place must leave all other fields as they
 * were.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "base/compat.h"
#include "harness.h"
#include "promise.h"

/* The last value of a key of the outermost object, if it is text. */
typedef struct Wanted
{
	const char *key;
	int			depth;
	bool		is_next; /* the next value is it */
	const char *text;
} Wanted;

static CdrJsonResult
wanted_start(void *state)
{
	Wanted *wanted = state;

	wanted->depth++;
	wanted->is_next = false;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
wanted_end(void *state)
{
	Wanted *wanted = state;

	wanted->depth--;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
wanted_field(void *state, char *name, bool isnull)
{
	Wanted *wanted = state;

	wanted->is_next = wanted->depth == 1 && strcmp(name, wanted->key) == 0;
	if (wanted->is_next)
		wanted->text = NULL;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
wanted_scalar(void *state, char *token, JsonTokenType type)
{
	Wanted *wanted = state;

	if (wanted->is_next && token[0] != '\0' &&
		(type == JSON_TOKEN_STRING || type == JSON_TOKEN_NUMBER))
		wanted->text = token;
	wanted->is_next = false;
	CDR_JSON_CONTINUE;
}

/* What the server finds; false where it refuses the body. */
static bool
server_says(const char *body, size_t length, const char *key,
			const char **text)
{
	JsonLexContext	  *lex = cdr_json_lexer(body, length, true);
	Wanted			   wanted = {.key = key};
	JsonSemAction	   actions = {0};
	JsonParseErrorType result;

	actions.semstate = &wanted;
	actions.object_start = wanted_start;
	actions.object_end = wanted_end;
	actions.array_start = wanted_start;
	actions.array_end = wanted_end;
	actions.object_field_start = wanted_field;
	actions.scalar = wanted_scalar;
	result = pg_parse_json(lex, &actions);
	cdr_json_lexer_free(lex);
	*text = wanted.text;
	return result == JSON_SUCCESS;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* An escape of half a surrogate pair, the first or the second half. */
static bool
is_half(const char *escape, const char *digits)
{
	return strncmp(escape, "\\u", 2) == 0 && (escape[2] | 0x20) == 'd' &&
		   escape[3] != '\0' && strchr(digits, escape[3]) != NULL;
}

/* The body with "\\u0041" in place of each escape that is no text. */
static char *
without_bad_escapes(const char *body, size_t length)
{
	char *copy = palloc(length + 1);

	memcpy(copy, body, length);
	copy[length] = '\0';
	for (char *p = strchr(copy, '\\'); p != NULL; p = strchr(p, '\\'))
	{
		if (is_half(p, "89abAB") && is_half(p + 6, "cdefCDEF"))
			p += 12;
		else
		{
			if (strncmp(p, "\\u0000", 6) == 0 || is_half(p, "89abcdefABCDEF"))
				memcpy(p + 2, "0041", 4);
			p += 2;
		}
	}
	return copy;
}

void
harness_json(const CdrMessage *message, const CdrEvent *event)
{
	const char *body = message->body;
	size_t		length = message->body_length;
	const char *text;
	bool		is_text = server_says(body, length, "traceId", &text);

	if (is_text)
	{
		PROMISE(same(event->trace_id, text));
		PROMISE(server_says(body, length, "callId", &text));
		PROMISE(same(event->call_id, text == NULL ? "" : text));
		PROMISE(server_says(body, length, "eventType", &text));
		PROMISE(same(event->type, text != NULL ? text : message->routing_key));
		return;
	}

	/* a field is as it would be among good ones, or not there */
	body = without_bad_escapes(body, length);
	PROMISE(server_says(body, length, "traceId", &text));
	PROMISE(event->trace_id == NULL || same(event->trace_id, text));
	PROMISE(server_says(body, length, "callId", &text));
	PROMISE(event->call_id[0] == '\0' || same(event->call_id, text));
}
