/*-------------------------------------------------------------------------
 *
 * json_check.h
 *	  What must not reach the server's JSON parser, and what all that use it
 *	  have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_CHECK_H
#define CDR_JSON_CHECK_H

#include "common/jsonapi.h"

#include "base/reason.h"

/* Real events nest five deep; this is far beyond, and far from the stack. */
#define CDR_JSON_DEPTH_MAX 100

/*
 * What must not reach the server's parser: a text that is not UTF-8, or nests
 * deeper than CDR_JSON_DEPTH_MAX.  NULL: nothing.
 */
extern const CdrReason *cdr_json_check(const char *text, size_t length);

/* Why the parser refused a text, without more of it than helps. */
extern const CdrReason *
cdr_json_refused(JsonParseErrorType result, JsonLexContext *lex);

/*
 * The name of the member whose value begins there, as it stands between its
 * quotes.  A lexer that does not resolve escapes hands over no name; so it is
 * found by going back over the colon to the quote that ends the name, and on to
 * the one that begins it, which is the first without a backslash before it.
 */
static inline void
cdr_json_key_before(const char *value, const char **start, const char **end)
{
	const char *c = value - 1;

	while (*c != '"')
		c--;
	*end = c--;
	while (*c != '"' || c[-1] == '\\')
		c--;
	*start = c + 1;
}

#endif /* CDR_JSON_CHECK_H */
