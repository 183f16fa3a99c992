/*-------------------------------------------------------------------------
 *
 * preset.c
 *	  SQL: the mappings that come with the extension, as files beside it.
 *
 * An option is a member of the whole or of "match": its value takes the place of
 * the preset's, or is added.  All else stays as the file has it, byte for byte.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "event/json_members.h"
#include "event/mapping.h"

/* Below the directory that the server shares. */
#define DIRECTORY "extension/cdr_service/mappings"
#define SUFFIX	  ".json"

/* What may be said of a preset, and where it stands. */
static const struct
{
	const char *name;
	bool		of_match;
	bool		must_be_there; /* else it would change nothing */
} options_known[] = {
	{"zone", false, true},		   {"strict", false, false},
	{"exchange", true, false},	   {"routing_key", true, false},
	{"content_type", true, false},
};

/* ------------------------------------------------------------------------
 * The file
 * ------------------------------------------------------------------------
 */

static char *
preset_directory(void)
{
	char share[MAXPGPATH];

	get_share_path(my_exec_path, share);
	return psprintf("%s/" DIRECTORY, share);
}

/* Letters, digits and underscores: so it leads to no other directory. */
static bool
is_preset_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= CDR_MAPPING_NAME_MAX &&
		   strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* The names of all presets, for a hint. */
static char *
preset_names(const char *directory)
{
	DIR			  *dir = AllocateDir(directory);
	struct dirent *entry;
	List		  *names = NIL;
	ListCell	  *cell;
	StringInfoData text;

	while (dir != NULL &&
		   (entry = ReadDirExtended(dir, directory, LOG)) != NULL)
	{
		size_t length = strlen(entry->d_name);

		if (length > strlen(SUFFIX) &&
			strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0)
			names = lappend(names,
							pnstrdup(entry->d_name, length - strlen(SUFFIX)));
	}
	if (dir != NULL)
		FreeDir(dir);
	list_sort(names, compare_names);
	initStringInfo(&text);
	foreach (cell, names)
		appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "",
						 (const char *) lfirst(cell));
	return text.data;
}

static void
refuse_preset(const char *name, const char *directory)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("there is no preset \"%s\"", name),
					errhint("Presets are: %s.", preset_names(directory))));
}

static char *
read_preset(const char *name)
{
	char *directory = preset_directory();
	char *path = psprintf("%s/%s" SUFFIX, directory, name);
	FILE *file = is_preset_name(name) ? AllocateFile(path, PG_BINARY_R) : NULL;
	char *text = palloc(CDR_MAPPING_SIZE_MAX + 1);
	size_t length;

	if (file == NULL)
	{
		if (is_preset_name(name) && errno != ENOENT)
			ereport(ERROR, (errcode_for_file_access(),
							errmsg("could not open file \"%s\": %m", path)));
		refuse_preset(name, directory);
	}
	length = fread(text, 1, CDR_MAPPING_SIZE_MAX, file);
	if (ferror(file))
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	while (length > 0 && text[length - 1] == '\n')
		length--;
	text[length] = '\0';
	return text;
}

/* ------------------------------------------------------------------------
 * Options
 * ------------------------------------------------------------------------
 */

/* Which one of options_known; throws if there is none of that name. */
static int
option_number(const char *name)
{
	for (int i = 0; name != NULL && i < (int) lengthof(options_known); i++)
	{
		if (strcmp(options_known[i].name, name) == 0)
			return i;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("option \"%s\" is unknown", name ? name : ""),
					errhint("Options are: zone, strict, exchange, "
							"routing_key, content_type.")));
}

static void
check_options(const char *preset, const CdrJsonMembers *options,
			  const CdrJsonMembers *members)
{
	for (int i = 0; i < options->count; i++)
	{
		const char *name = options->members[i].name;
		int			number = option_number(name);

		if (options_known[number].must_be_there &&
			cdr_json_member(members, name) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("preset \"%s\" has no \"%s\"", preset, name),
					 errhint("Leave the option out: nothing depends on it.")));
	}
}

static void
preset_append(StringInfo text, const CdrJsonMember *member,
			  const char *separator)
{
	if (text->data[text->len - 1] != '{')
		appendStringInfoString(text, ",");
	appendStringInfoString(text, separator);
	escape_json(text, member->name);
	appendStringInfoString(text, ": ");
	appendBinaryStringInfo(text, member->start,
						   (int) (member->end - member->start));
}

/*
 * An object with the options of that place in it: in the place of its own members,
 * or before them.
 */
static void
append_object(StringInfo text, const CdrJsonMembers *members,
			  const CdrJsonMembers *options, bool is_match)
{
	const char *separator = is_match ? " " : "\n  ";

	appendStringInfoChar(text, '{');
	for (int i = 0; i < options->count; i++)
	{
		const CdrJsonMember *option = &options->members[i];

		if (options_known[option_number(option->name)].of_match == is_match &&
			cdr_json_member(options, option->name) == option)
			preset_append(text, option, separator);
	}
	for (int i = 0; i < members->count; i++)
	{
		const CdrJsonMember *member = &members->members[i];
		CdrJsonMembers		 inner;

		if (!is_match && strcmp(member->name, "match") == 0 &&
			cdr_json_members_read(member->start, member->end - member->start,
								  &inner))
		{
			StringInfoData match;
			CdrJsonMember  replaced = *member;

			initStringInfo(&match);
			append_object(&match, &inner, options, true);
			replaced.start = match.data;
			replaced.end = match.data + match.len;
			preset_append(text, &replaced, separator);
		}
		else if (cdr_json_member(options, member->name) == NULL)
			preset_append(text, member, separator);
	}
	appendStringInfoString(text, is_match ? "}" : "\n}");
}

static char *
apply_options(const char *preset, const char *definition, const char *given)
{
	CdrJsonMembers members;
	CdrJsonMembers options;
	StringInfoData text;

	if (!cdr_json_members_read(given, strlen(given), &options))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options must be a JSON object")));
	if (!cdr_json_members_read(definition, strlen(definition), &members))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("preset \"%s\" is no JSON object", preset)));
	check_options(preset, &options, &members);
	initStringInfo(&text);
	append_object(&text, &members, &options, false);
	return text.data;
}

PG_FUNCTION_INFO_V1(cdr_mapping_preset);

Datum
cdr_mapping_preset(PG_FUNCTION_ARGS)
{
	char *name;
	char *definition;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	definition = read_preset(name);
	if (!PG_ARGISNULL(1))
		definition = apply_options(name, definition,
								   text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_TEXT_P(cstring_to_text(definition));
}
