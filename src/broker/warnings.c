/*-------------------------------------------------------------------------
 *
 * warnings.c
 *	  What a session gives reason to fear, though nothing has gone wrong yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "broker/warnings.h"

/* The place of a warning, or -1. */
static int
find_warning(const CdrWarnings *warnings, const char *key)
{
	for (int i = 0; i < warnings->count; i++)
	{
		if (strcmp(warnings->list[i].key, key) == 0)
			return i;
	}
	return -1;
}

void
cdr_warnings_clear(CdrWarnings *warnings)
{
	warnings->count = 0;
	warnings->changed = true;
}

/* A full list is logged all the same. */
void
cdr_warnings_set(CdrWarnings *warnings, const char *key, const char *hint,
				 const char *format, ...)
{
	char	text[CDR_WARNING_LENGTH];
	int		place = find_warning(warnings, key);
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* names may have been cut in the midst of a character */
	text[pg_mbcliplen(text, (int) strlen(text), sizeof(text) - 1)] = '\0';
	if (place >= 0 && strcmp(warnings->list[place].text, text) == 0)
		return;
	if (place < 0 && warnings->count < CDR_WARNINGS_MAX)
	{
		place = warnings->count++;
		strlcpy(warnings->list[place].key, key,
				sizeof(warnings->list[place].key));
	}
	if (place >= 0)
		strlcpy(warnings->list[place].text, text, CDR_WARNING_LENGTH);
	warnings->changed = true;
	ereport(LOG, (errcode(ERRCODE_WARNING), errmsg("%s", text),
				  hint ? errhint("%s", hint) : 0));
}

void
cdr_warnings_unset(CdrWarnings *warnings, const char *key)
{
	int place = find_warning(warnings, key);

	if (place < 0)
		return;
	warnings->count--;
	memmove(&warnings->list[place], &warnings->list[place + 1],
			(warnings->count - place) * sizeof(CdrWarning));
	warnings->changed = true;
}

bool
cdr_warnings_has(const CdrWarnings *warnings, const char *key)
{
	return find_warning(warnings, key) >= 0;
}

const char *
cdr_warnings_text(CdrWarnings *warnings)
{
	StringInfoData joined;

	if (!warnings->changed)
		return warnings->text;
	initStringInfo(&joined);
	for (int i = 0; i < warnings->count; i++)
		appendStringInfo(&joined, "%s%s", i > 0 ? "; " : "",
						 warnings->list[i].text);
	strlcpy(warnings->text, joined.data, sizeof(warnings->text));
	pfree(joined.data);
	warnings->changed = false;
	return warnings->text;
}
