/*-------------------------------------------------------------------------
 *
 * explain_words.c
 *	  The words in which an event is explained, and how rows are told.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/explain_words.h"

/* More than this of what a body says is not repeated in a note. */
#define SAID_MAX 100

void
cdr_tell(const CdrExplaining *explaining, const char *part, const char *column,
		 const char *value, const char *source, const char *note)
{
	explaining->explainer->take(explaining->explainer->state,
								&(CdrExplained){.part = part,
												.column = column,
												.value = value,
												.time = CDR_NO_TIME,
												.source = source,
												.note = note});
}

void
cdr_tell_time(const CdrExplaining *explaining, const char *part,
			  TimestampTz time, const char *source, const char *note)
{
	explaining->explainer->take(explaining->explainer->state,
								&(CdrExplained){.part = part,
												.column = "time",
												.time = time,
												.source = source,
												.note = note});
}

/* As a definition writes it: a key at the top, else a pointer. */
const char *
cdr_written_place(const char *place)
{
	const char *key = place + 1;

	return place[0] == '/' && key[0] != '\0' && strpbrk(key, "/~") == NULL
			   ? key
			   : place;
}

/* The beginning of what a body says, in quotes. */
const char *
cdr_quoted(const char *said)
{
	size_t length = strlen(said);

	if (length <= SAID_MAX)
		return psprintf("\"%s\"", said);
	for (length = SAID_MAX; ((unsigned char) said[length] & 0xC0) == 0x80;)
		length--;
	return psprintf("\"%.*s...\"", (int) length, said);
}

/* The same, and what there is to say of it. */
const char *
cdr_of_said(const char *said, const char *note)
{
	return psprintf("%s %s", cdr_quoted(said), note);
}

/* Both notes; either may be NULL. */
const char *
cdr_both_notes(const char *one, const char *other)
{
	if (one == NULL || other == NULL)
		return one == NULL ? other : one;
	return psprintf("%s; %s", one, other);
}
