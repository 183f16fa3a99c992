/*-------------------------------------------------------------------------
 *
 * json_check.c
 *	  What must not reach the server's JSON parser, and what it says of what is
 *	  no JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "event/fields.h"
#include "event/json_check.h"

/* Bytes of the parser's words that are kept: they quote the body. */
#define ERROR_DETAIL_MAX 300

/*
 * Why the parser refused the body, without more of it than helps.  What it says
 * repeats words of the body, and is for those only who may read that: the detail
 * of the reason.
 */
const CdrReason *
cdr_json_refused(JsonParseErrorType result, JsonLexContext *lex)
{
	char	  *detail = pstrdup(json_errdetail(result, lex));
	size_t	   length = strlen(detail);
	CdrReason *reason;

	if (length > ERROR_DETAIL_MAX)
	{
		/* whole characters only */
		for (length = ERROR_DETAIL_MAX; (detail[length] & 0xC0) == 0x80;)
			length--;
		detail[length] = '\0';
	}
	reason = palloc0(sizeof(CdrReason));
	reason->sqlerrcode = ERRCODE_INVALID_TEXT_REPRESENTATION;
	reason->message = "event is not JSON";
	reason->detail = detail;
	return reason;
}

/* May brackets, in strings too, be enough of them to nest too deep? */
static bool
has_many(const char *text, size_t length, char bracket)
{
	const char *end = text + length;
	int			count = 0;

	while (count <= CDR_JSON_DEPTH_MAX / 2 &&
		   (text = memchr(text, bracket, end - text)) != NULL)
	{
		count++;
		text++;
	}
	return count > CDR_JSON_DEPTH_MAX / 2;
}

/* How deep the brackets of a JSON text nest; for text that is not JSON, any. */
static int
nesting_depth(const char *text, size_t length)
{
	int	 depth = 0;
	int	 deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		char c = text[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			depth++;
			deepest = Max(deepest, depth);
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return deepest;
}

const CdrReason *
cdr_json_check(const char *text, size_t length)
{
	int valid = pg_encoding_verifymbstr(PG_UTF8, text, (int) length);

	/* a NUL is one, but no text of PostgreSQL's has it */
	if (valid != (int) length)
		return cdr_no_event(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
							pstrdup(text[valid] == '\0'
										? "event has a NUL byte"
										: "event is not valid UTF-8"));
	if ((has_many(text, length, '{') || has_many(text, length, '[')) &&
		nesting_depth(text, length) > CDR_JSON_DEPTH_MAX)
		return cdr_no_event(
			ERRCODE_STATEMENT_TOO_COMPLEX,
			psprintf("event nests deeper than %d levels", CDR_JSON_DEPTH_MAX));
	return NULL;
}
