/*-------------------------------------------------------------------------
 *
 * json.h
 *	  The JSON form of events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_H
#define CDR_JSON_H

#include "event/fields.h"

/* Real events nest five deep; this is far beyond, and far from the stack. */
#define CDR_JSON_DEPTH_MAX 100

/* The length of the byte order mark that a text begins with; 0: none. */
static inline size_t
cdr_json_mark(const char *text, size_t length)
{
	return length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/*
 * Reads a JSON object, with or without a byte order mark.  Returns NULL with *fields filled in, or why it is no
 * event, with *fields left as it was.  Leaves is_json alone.
 */
extern const CdrReason *
cdr_json_read(const char *text, size_t length, CdrFields *fields);

/*
 * What must not reach the server's parser: a text that is not UTF-8, or nests
 * deeper than CDR_JSON_DEPTH_MAX.  NULL: nothing.
 */
extern const CdrReason *cdr_json_check(const char *text, size_t length);

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

#endif /* CDR_JSON_H */
