/*-------------------------------------------------------------------------
 *
 * properties.c
 *	  Holds the JSON of a message's properties to what it promises.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "base/properties.h"
#include "promise.h"
#include "properties.h"

/* What the names of the properties take, and braces. */
#define NAMES_LENGTH 256

/* Is it JSON that neither an encoding nor a cast to jsonb chokes on? */
static void
check_json(const char *text, size_t properties_length)
{
	JsonSemAction	nothing = {0};
	JsonLexContext *lex;
	int				length = (int) strlen(text);

	PROMISE(text[0] == '{');
	PROMISE(length <=
			CDR_JSON_FACTOR * (int) properties_length + NAMES_LENGTH);
	PROMISE(pg_encoding_verifymbstr(PG_UTF8, text, length) == length);
	for (const char *p = strchr(text, '\\'); p != NULL;
		 p = strchr(p + 2, '\\'))
		PROMISE(strncmp(p, "\\u0000", 6) != 0);
	lex = cdr_json_lexer(text, length, true);
	PROMISE(pg_parse_json(lex, &nothing) == JSON_SUCCESS);
	cdr_json_lexer_free(lex);
}

void
harness_properties(const CdrMessage *message)
{
	CdrProperties found;
	char		 *headers = cdr_headers_json(message);
	char		 *others = cdr_properties_json(message);
	CdrMessage	  again = {.headers = headers, .other_properties = others};

	if (!cdr_properties_parse(message->properties, message->properties_length,
							  &found))
	{
		PROMISE(headers == NULL && others == NULL);
		return;
	}
	(void) cdr_properties_delivery_count(&found);
	(void) cdr_properties_timestamp(&found);
	PROMISE((headers != NULL) == (found.headers.length > 0));
	if (headers != NULL)
	{
		check_json(headers, message->properties_length);
		PROMISE(strcmp(cdr_headers_json(&again), headers) == 0);
	}
	if (others != NULL)
	{
		check_json(others, message->properties_length);
		PROMISE(strcmp(cdr_properties_json(&again), others) == 0);
	}
}
