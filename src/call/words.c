/*-------------------------------------------------------------------------
 *
 * words.c
 *	  What others wrote, fit to stand in a sentence.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/causes.h"
#include "call/words.h"
#include "event/visible.h"

/* Bytes of a text that are shown. */
#define WORDS_MAX 200

/*
 * The text without what cannot be seen, cut where a character ends; whether it
 * was cut.  It may have megabytes, of which no more is looked at.
 */
static char *
copy_visible(const char *text, bool *is_cut)
{
	size_t length = strnlen(text, WORDS_MAX + 1);
	char  *copy;

	*is_cut = length > WORDS_MAX;
	if (*is_cut)
	{
		length = WORDS_MAX;
		while (length > 0 && ((unsigned char) text[length] & 0xC0) == 0x80)
			length--;
	}
	copy = palloc(length + 1);
	memcpy(copy, text, length);
	copy[length] = '\0';
	cdr_drop_invisible(copy);
	return copy;
}

/* Is it one word, which no sentence of ours can be made of? */
static bool
is_one_word(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p <= ' ' || *p > '~' || strchr("\"'`,()", *p) != NULL)
			return false;
	}
	return text[0] != '\0';
}

/* Is it a name, of words with something between? */
static bool
is_name(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
	{
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
			!(*p >= '0' && *p <= '9') && strchr("._-", *p) == NULL)
			return false;
	}
	return text[0] != '\0';
}

static void
append_quoted(const char *text, bool is_cut, StringInfo out)
{
	appendStringInfoChar(out, '"');
	for (const char *p = text; *p != '\0'; p++)
		appendStringInfoChar(out, *p == '"' ? '\'' : *p);
	appendStringInfoString(out, is_cut ? "...\"" : "\"");
}

void
cdr_words_quote(const char *text, const char *nothing, StringInfo out)
{
	bool  is_cut;
	char *copy;

	if (text == NULL)
	{
		appendStringInfoString(out, nothing);
		return;
	}
	copy = copy_visible(text, &is_cut);
	if (!is_cut && is_one_word(copy))
		appendStringInfoString(out, copy);
	else
		append_quoted(copy, is_cut, out);
	pfree(copy);
}

void
cdr_words_name(const char *name, const char *nothing, StringInfo out)
{
	bool  is_cut;
	char *copy;

	if (name == NULL)
	{
		appendStringInfoString(out, nothing);
		return;
	}
	copy = copy_visible(name, &is_cut);
	if (!is_cut && is_name(copy))
	{
		for (char *p = copy; *p != '\0'; p++)
			appendStringInfoChar(out, strchr("._-", *p) != NULL ? ' ' : *p);
	}
	else
		append_quoted(copy, is_cut, out);
	pfree(copy);
}

void
cdr_words_cause(const char *cause, const char *nothing, StringInfo out)
{
	const CdrCause *known = cdr_cause_find(cause);

	if (known != NULL)
		appendStringInfoString(out, known->words);
	else
		cdr_words_name(cause, nothing, out);
}
