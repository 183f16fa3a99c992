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

#include "base/library.h"
#include "event/json_members.h"
#include "event/mapping_compile.h"
#include "store/mapping_zones.h"

/* Below the directory that the server shares. */
#define DIRECTORY "extension/cdr_service/mappings"
#define SUFFIX	  ".json"

/* What an option may be. */
typedef enum OptionType
{
	OPTION_TEXT,
	OPTION_TEXTS, /* or a list of them */
	OPTION_BOOLEAN
} OptionType;

/* What may be said of a preset, and where it stands. */
static const struct
{
	const char *name;
	OptionType	type;
	bool		of_match;
	bool		must_be_there; /* else it would change nothing */
} options_known[] = {
	{"zone", OPTION_TEXT, false, true},
	{"strict", OPTION_BOOLEAN, false, false},
	{"exchange", OPTION_TEXTS, true, false},
	{"routing_key", OPTION_TEXTS, true, false},
	{"content_type", OPTION_TEXTS, true, false},
};

/* ------------------------------------------------------------------------
 * The file
 * ------------------------------------------------------------------------
 */

/*
 * Where the extension is not among the files of the server (extension_control_path,
 * since 18), library and files lie side by side, in lib and share.
 */
static char *
preset_directory(void)
{
	char		share[MAXPGPATH];
	const char *library;
	char	   *beside;
	struct stat found;

	(void) cdr_library_file(&library);
	strlcpy(share, library, sizeof(share));
	get_parent_directory(share);
	get_parent_directory(share);
	beside = psprintf("%s/share/" DIRECTORY, share);
	if (library[0] != '\0' && stat(beside, &found) == 0)
		return beside;
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

/* Which one of options_known; -1: there is none of that name. */
static int
option_number(const char *name)
{
	for (int i = 0; name != NULL && i < (int) lengthof(options_known); i++)
	{
		if (strcmp(options_known[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* The options that a preset has, for a hint. */
static char *
option_names(const CdrJsonMembers *members)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < (int) lengthof(options_known); i++)
	{
		if (!options_known[i].must_be_there ||
			cdr_json_member(members, options_known[i].name) != NULL)
			appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "",
							 options_known[i].name);
	}
	return text.data;
}

static bool
fits_option(OptionType type, const CdrJsonMember *option)
{
	if (type == OPTION_BOOLEAN)
		return option->kind == CDR_JSON_BOOLEAN;
	/* what is in a list is seen when the definition is compiled */
	return option->kind == CDR_JSON_STRING ||
		   (type == OPTION_TEXTS && option->kind == CDR_JSON_ARRAY);
}

static const char *
option_must_be(OptionType type)
{
	if (type == OPTION_BOOLEAN)
		return "true or false";
	return type == OPTION_TEXT ? "text" : "text, or a list of texts";
}

static void
check_option(const char *preset, const CdrJsonMembers *members,
			 const CdrJsonMember *option)
{
	int number = option_number(option->name);

	if (number < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"%s\" is unknown",
							   option->name ? option->name : ""),
						errhint("Options of preset \"%s\" are: %s.", preset,
								option_names(members))));
	if (options_known[number].must_be_there &&
		cdr_json_member(members, option->name) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("preset \"%s\" has no \"%s\"", preset, option->name),
				 errhint("Leave the option out: nothing depends on it.")));
	if (!fits_option(options_known[number].type, option))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"%s\" must be %s", option->name,
							   option_must_be(options_known[number].type))));
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

/* The options of that place; returns whether there are any. */
static bool
append_options(StringInfo text, const CdrJsonMembers *options, bool of_match,
			   const char *separator)
{
	bool any = false;

	for (int i = 0; i < options->count; i++)
	{
		const CdrJsonMember *option = &options->members[i];

		if (options_known[option_number(option->name)].of_match == of_match &&
			cdr_json_member(options, option->name) == option)
		{
			preset_append(text, option, separator);
			any = true;
		}
	}
	return any;
}

/*
 * "match", with its options before or in the place of its own members.  A preset
 * may have none (NULL): then there is one only if there are options of it.
 */
static void
append_match(StringInfo text, const CdrJsonMember *match,
			 const CdrJsonMembers *options)
{
	CdrJsonMembers members;
	CdrJsonMember  made = {.name = "match"};
	StringInfoData object;
	bool		   any;

	if (match == NULL)
		members.count = 0;
	else if (!cdr_json_members_read(match->start, match->end - match->start,
									&members))
	{
		preset_append(text, match, "\n  ");
		return;
	}
	initStringInfo(&object);
	appendStringInfoChar(&object, '{');
	any = append_options(&object, options, true, " ");
	for (int i = 0; i < members.count; i++)
	{
		if (cdr_json_member(options, members.members[i].name) == NULL)
			preset_append(&object, &members.members[i], " ");
	}
	appendStringInfoChar(&object, '}');
	made.start = object.data;
	made.end = object.data + object.len;
	if (match != NULL || any)
		preset_append(text, &made, "\n  ");
}

/* The whole, likewise. */
static void
append_definition(StringInfo text, const CdrJsonMembers *members,
				  const CdrJsonMembers *options)
{
	appendStringInfoChar(text, '{');
	append_options(text, options, false, "\n  ");
	if (cdr_json_member(members, "match") == NULL)
		append_match(text, NULL, options);
	for (int i = 0; i < members->count; i++)
	{
		const CdrJsonMember *member = &members->members[i];

		if (strcmp(member->name, "match") == 0)
			append_match(text, member, options);
		else if (cdr_json_member(options, member->name) == NULL)
			preset_append(text, member, "\n  ");
	}
	appendStringInfoString(text, "\n}");
}

/* What an option says may still be nothing that can be: a zone, a list. */
static void
check_preset_definition(const char *preset, const char *text, size_t length)
{
	CdrMappings		*set = cdr_mappings_begin(&cdr_mapping_zones);
	const CdrReason *reason = cdr_mappings_add(set, preset, 1, text, length);

	if (reason != NULL)
		cdr_throw(reason);
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
	for (int i = 0; i < options.count; i++)
		check_option(preset, &members, &options.members[i]);
	initStringInfo(&text);
	append_definition(&text, &members, &options);
	check_preset_definition(preset, text.data, text.len);
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
