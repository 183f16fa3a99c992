/*-------------------------------------------------------------------------
 *
 * refused.c
 *	  Settings whose value was refused.
 *
 * A value that is refused by a reload leaves the one before.  At the start of the
 * server there is none before, and the server goes on with the default, and a
 * line in its log, where it would not even start for a setting of its own.  So
 * what was refused is noted while the settings are defined.
 *
 * Memory.  What is noted is inherited by all processes: names, which are
 * constants.  The files are read in a context that is deleted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/refused.h"

/* More than there are settings. */
#define NOTES_MAX 64

typedef struct Refused
{
	const char *name;
	bool		needs_restart; /* also what the command line says does */
} Refused;

static Refused refused[NOTES_MAX];
static int	   nrefused = 0;

/* Would the setting take the text?  Changes nothing. */
static bool
takes_text(const char *name, const char *text)
{
	return set_config_option(name, text, PGC_POSTMASTER, PGC_S_FILE,
							 GUC_ACTION_SET, false, DEBUG5, false) != 0;
}

char *
cdr_refused_text(const char *name)
{
	const char *text = GetConfigOption(name, true, false);

	return text == NULL ? NULL : pstrdup(text);
}

/*
 * All entries of the files; false, with the reason among them, if they cannot be
 * read.
 */
static bool
read_files(ConfigVariable **entries)
{
	ConfigVariable *last = NULL;

	*entries = NULL;
	return ParseConfigFile(ConfigFileName, true, NULL, 0, 0, DEBUG5, entries,
						   &last) &&
		   ParseConfigFile(PG_AUTOCONF_FILENAME, false, NULL, 0, 0, DEBUG5,
						   entries, &last);
}

/* The entry that counts: the last one of the name; NULL: none. */
static const ConfigVariable *
find_entry(const ConfigVariable *entries, const char *name)
{
	const ConfigVariable *found = NULL;

	for (const ConfigVariable *entry = entries; entry != NULL;
		 entry = entry->next)
	{
		if (entry->name != NULL && pg_strcasecmp(entry->name, name) == 0)
			found = entry;
	}
	return found;
}

static bool
is_refused(const ConfigVariable *entry)
{
	return entry != NULL && !takes_text(entry->name, entry->value);
}

/* A context for what is read, which is made the current one. */
static MemoryContext
enter_context(MemoryContext *outer)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service settings", ALLOCSET_DEFAULT_SIZES);

	*outer = MemoryContextSwitchTo(context);
	return context;
}

static void
leave_context(MemoryContext context, MemoryContext outer)
{
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/* Does a file say the text, so that it can be corrected there? */
static bool
is_in_files(const char *name, const char *text)
{
	MemoryContext		  outer;
	MemoryContext		  context = enter_context(&outer);
	ConfigVariable		 *entries;
	const ConfigVariable *entry;
	bool				  result;

	(void) read_files(&entries);
	entry = find_entry(entries, name);
	result = entry != NULL && strcmp(entry->value, text) == 0;
	leave_context(context, outer);
	return result;
}

void
cdr_refused_note(const char *name, const char *text, bool needs_restart)
{
	if (text == NULL || takes_text(name, text) || nrefused == NOTES_MAX)
		return;
	refused[nrefused++] =
		(Refused){name, needs_restart || !is_in_files(name, text)};
}

const char *
cdr_refused_at_start(void)
{
	MemoryContext	outer;
	MemoryContext	context;
	ConfigVariable *entries;
	const char	   *found = NULL;

	if (nrefused == 0)
		return NULL;
	context = enter_context(&outer);
	(void) read_files(&entries);
	for (int i = 0; i < nrefused && found == NULL; i++)
	{
		if (refused[i].needs_restart ||
			is_refused(find_entry(entries, refused[i].name)))
			found = refused[i].name;
	}
	leave_context(context, outer);
	return found;
}

static void
describe_entries(const ConfigVariable *entries, StringInfo text)
{
	for (const ConfigVariable *entry = entries; entry != NULL;
		 entry = entry->next)
	{
		if (entry->name != NULL &&
			pg_strncasecmp(entry->name, CDR_GUC_PREFIX,
						   strlen(CDR_GUC_PREFIX)) == 0 &&
			entry == find_entry(entries, entry->name) && is_refused(entry))
			appendStringInfo(text, "%s%s", text->len > 0 ? ", " : "",
							 entry->name);
	}
}

char *
cdr_refused_in_files(void)
{
	MemoryContext	outer;
	MemoryContext	context = enter_context(&outer);
	ConfigVariable *entries;
	StringInfoData	text;
	char		   *found = NULL;

	initStringInfo(&text);
	if (read_files(&entries))
		describe_entries(entries, &text);
	else
		appendStringInfoString(&text, "the files of settings cannot be read");
	if (text.len > 0)
		found = MemoryContextStrdup(outer, text.data);
	leave_context(context, outer);
	return found;
}
