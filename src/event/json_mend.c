/*-------------------------------------------------------------------------
 *
 * json_mend.c
 *	  JSON as some libraries write it, which is none, as JSON.
 *
 * Python's json writes numbers that are none as bare words, unless it is told
 * not to, and programs in C send the NUL behind a string along.  Only a text
 * that could not be read as it came is looked at here.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "event/json.h"
#include "event/json_mend.h"

#define WHITE_SPACE " \t\r\n"

static bool
stands_in(char c, const char *chars)
{
	return memchr(chars, c, strlen(chars)) != NULL;
}

static bool
may_be_json(const char *text, size_t length)
{
	size_t i = cdr_json_mark(text, length);

	while (i < length && stands_in(text[i], WHITE_SPACE))
		i++;
	return i < length && stands_in(text[i], "{[");
}

/* The length of a value that is no number; 0: none stands here. */
static size_t
length_of_word(const char *start, const char *p, const char *end)
{
	static const char *const words[] = {"NaN", "Infinity", "-Infinity"};

	if (!stands_in(*p, "NI-") || p == start ||
		!stands_in(p[-1], ":[," WHITE_SPACE))
		return 0;
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		size_t length = strlen(words[i]);

		if ((size_t) (end - p) > length && memcmp(p, words[i], length) == 0 &&
			stands_in(p[length], ",]}" WHITE_SPACE))
			return length;
	}
	return 0;
}

char *
cdr_json_mend(const char *text, size_t length, size_t *mended_length)
{
	const char	  *end = text + length;
	const char	  *copied = text;
	bool		   in_string = false;
	StringInfoData mended;

	if (!may_be_json(text, length))
		return NULL;
	while (end[-1] == '\0')
		end--;
	initStringInfo(&mended);
	for (const char *p = text; p < end; p++)
	{
		size_t word = in_string ? 0 : length_of_word(text, p, end);

		if (in_string && *p == '\\')
			p++;
		else if (*p == '"')
			in_string = !in_string;
		else if (word > 0)
		{
			appendBinaryStringInfo(&mended, copied, (int) (p - copied));
			appendStringInfoString(&mended, "null");
			copied = p + word;
			p = copied - 1;
		}
	}
	if (copied == text && end == text + length)
	{
		pfree(mended.data);
		return NULL;
	}
	appendBinaryStringInfo(&mended, copied, (int) (end - copied));
	*mended_length = mended.len;
	return mended.data;
}
