/*-------------------------------------------------------------------------
 *
 * mapping_values.c
 *	  Compiles values and conditions of a mapping.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/mapping_causes.h"
#include "event/mapping_refuse.h"
#include "event/mapping_values.h"

#define PATH_HINT                                                              \
	"A path is the name of a member, such as \"Call-ID\", or a JSON pointer, " \
	"such as \"/data/call_id\"."

static bool
refuse_value(MapCompiler *compiler, const CdrJsonNode *node,
			 const char *message, const char *hint)
{
	return cdr_map_refuse(compiler, ERRCODE_INVALID_PARAMETER_VALUE, node,
						  message, hint);
}

static bool
is_scalar_text(const CdrJsonNode *node)
{
	return node->kind == CDR_JSON_STRING || node->kind == CDR_JSON_NUMBER;
}

/* A string that says something. */
const char *
cdr_map_string(MapCompiler *compiler, const CdrJsonNode *node,
			   const char *hint)
{
	if (node->kind == CDR_JSON_STRING && node->text[0] != '\0')
		return node->text;
	(void) refuse_value(compiler, node, "a text is expected here", hint);
	return "";
}

/* ------------------------------------------------------------------------
 * Paths
 * ------------------------------------------------------------------------
 */

/* One token of a pointer, to its end; NULL if it is none. */
static char *
pointer_token(const char *token, size_t length)
{
	char *name = palloc(length + 1);
	char *out = name;

	for (const char *p = token; p < token + length; p++)
	{
		if (*p == '~')
		{
			p++;
			if (p == token + length || (*p != '0' && *p != '1'))
				return NULL;
			*out++ = *p == '0' ? '~' : '/';
		}
		else
			*out++ = *p;
	}
	*out = '\0';
	return name;
}

static int
add_step(MapCompiler *compiler, CdrJsonPaths *paths, int before,
		 const CdrJsonNode *node, const char *name)
{
	int count = paths->count;
	int step;

	if (compiler->nkeys >= CDR_MAPPING_KEYS_MAX)
	{
		(void) cdr_map_refuse(
			compiler, ERRCODE_PROGRAM_LIMIT_EXCEEDED, node,
			psprintf("a mapping has at most %d keys", CDR_MAPPING_KEYS_MAX),
			"Make two mappings of it, each for some of the messages.");
		return before;
	}
	step = cdr_json_paths_add(paths, before, name, strlen(name));
	compiler->nkeys += paths->count - count;
	return step;
}

MapWords
cdr_map_pointer(MapCompiler *compiler, const CdrJsonNode *node,
				const char *written)
{
	MapWords	steps = {0, palloc(CDR_MAPPING_STEPS_MAX * sizeof(char *))};
	const char *p = written;

	while (*p == '/' && compiler->reason == NULL)
	{
		size_t length = strcspn(p + 1, "/");
		char  *name = pointer_token(p + 1, length);

		if (name == NULL)
			(void) refuse_value(compiler, node,
								psprintf("\"%s\" is no JSON pointer", written),
								"Write ~0 for a tilde and ~1 for a slash.");
		else if (steps.count == CDR_MAPPING_STEPS_MAX)
			(void) cdr_map_refuse(
				compiler, ERRCODE_PROGRAM_LIMIT_EXCEEDED, node,
				psprintf("a path has at most %d steps", CDR_MAPPING_STEPS_MAX),
				NULL);
		else
			steps.words[steps.count++] = name;
		p += 1 + length;
	}
	return steps;
}

/* Adds a path to a set. */
static MapPath
compile_path(MapCompiler *compiler, CdrJsonPaths *paths,
			 const CdrJsonNode *node, const char *written)
{
	MapPath	 path = {CDR_JSON_ROOT, written};
	MapWords steps;

	if (written[0] != '/')
	{
		if (written[0] == '\0')
			(void) refuse_value(compiler, node, "a path is empty", PATH_HINT);
		else
			path.step = add_step(compiler, paths, path.step, node, written);
		return path;
	}
	steps = cdr_map_pointer(compiler, node, written);
	for (int i = 0; i < steps.count && compiler->reason == NULL; i++)
		path.step = add_step(compiler, paths, path.step, node, steps.words[i]);
	return path;
}

/* The JSON inside of a string; one for all that look into that string. */
static MapInner *
compile_inner(MapCompiler *compiler, const CdrJsonNode *node)
{
	CdrMappings *set = compiler->set;
	MapPath		 path = compile_path(compiler, &set->paths, node,
									 cdr_map_string(compiler, node, PATH_HINT));
	MapInner	*inner;

	for (inner = set->inners; inner != NULL; inner = inner->next)
	{
		if (inner->path.step == path.step)
			return inner;
	}
	inner = palloc0(sizeof(MapInner));
	inner->path = path;
	cdr_json_paths_begin(&inner->paths);
	inner->next = set->inners;
	set->inners = inner;
	return inner;
}

/* ------------------------------------------------------------------------
 * Words and tables
 * ------------------------------------------------------------------------
 */

bool
cdr_map_count(MapCompiler *compiler, const CdrJsonNode *node, int most)
{
	if (node->count <= most)
		return true;
	return cdr_map_refuse(compiler, ERRCODE_PROGRAM_LIMIT_EXCEEDED, node,
						  psprintf("there are more than %d here", most), NULL);
}

MapWords
cdr_map_words(MapCompiler *compiler, const CdrJsonNode *node)
{
	MapWords		   words = {0, NULL};
	const CdrJsonNode *word;

	if (node == NULL || (node->kind == CDR_JSON_ARRAY &&
						 !cdr_map_count(compiler, node, CDR_MAPPING_LIST_MAX)))
		return words;
	words.words = palloc(Max(node->count, 1) * sizeof(char *));
	word = node->kind == CDR_JSON_ARRAY ? node->first : node;
	if (word == NULL)
		(void) refuse_value(compiler, node, "the list is empty", NULL);
	for (; word != NULL; word = word->next)
	{
		if (!is_scalar_text(word))
		{
			(void) refuse_value(compiler, word,
								"a text or a number is expected here",
								"Write true and false as texts, \"true\" and "
								"\"false\", where they are values.");
			break;
		}
		words.words[words.count++] = word->text;
		if (word == node)
			break;
	}
	return words;
}

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const MapEntry *) a)->value,
				  ((const MapEntry *) b)->value);
}

/* What a member of a table means; NULL: nothing. */
static const char *
meaning_of(MapCompiler *compiler, const CdrJsonNode *node)
{
	if (node->kind == CDR_JSON_NULL || !is_scalar_text(node))
	{
		if (node->kind != CDR_JSON_NULL)
			(void) refuse_value(compiler, node,
								"a text, a number or null is expected here",
								NULL);
		return NULL;
	}
	return node->text[0] == '\0' ? NULL : node->text;
}

static MapTable
compile_table(MapCompiler *compiler, const CdrJsonNode *node)
{
	MapTable		table = {0, NULL};
	const MapTable *built_in;
	MapEntry	   *entries;

	if (node->kind == CDR_JSON_STRING)
	{
		built_in = cdr_map_causes(node->text);
		if (built_in != NULL)
			return *built_in;
		(void) refuse_value(compiler, node,
							psprintf("there is no table \"%s\"", node->text),
							"Built-in tables are \"q850\" and \"sip\".");
		return table;
	}
	if (node->kind != CDR_JSON_OBJECT)
	{
		(void) refuse_value(
			compiler, node,
			"an object or the name of a table is expected here",
			"Built-in tables are \"q850\" and \"sip\".");
		return table;
	}
	if (!cdr_map_count(compiler, node, CDR_MAPPING_ENTRIES_MAX))
		return table;
	entries = palloc(Max(node->count, 1) * sizeof(MapEntry));
	for (const CdrJsonNode *entry = node->first; entry != NULL;
		 entry = entry->next)
		entries[table.count++] =
			(MapEntry){entry->name, meaning_of(compiler, entry)};
	qsort(entries, table.count, sizeof(MapEntry), compare_entries);
	for (int i = 1; i < table.count; i++)
	{
		if (strcmp(entries[i - 1].value, entries[i].value) == 0)
			(void) refuse_value(
				compiler, node,
				psprintf("\"%s\" stands here twice", entries[i].value), NULL);
	}
	table.entries = entries;
	return table;
}

/* ------------------------------------------------------------------------
 * Conditions
 * ------------------------------------------------------------------------
 */

/* {"not": ...} or {"same": path} */
static void
compile_relation(MapCompiler *compiler, const CdrJsonNode *node,
				 MapCondition *condition)
{
	static const char *const names[] = {"not", "same", NULL};
	const CdrJsonNode		*same = cdr_json_tree_member(node, "same");

	if (!cdr_map_object(compiler, node, names))
		return;
	if (node->count != 1)
		(void) refuse_value(compiler, node, "one relation is expected here",
							"Write {\"not\": ...} or {\"same\": path}.");
	else if (same != NULL)
	{
		condition->test = MAP_SAME;
		condition->other =
			compile_path(compiler, &compiler->set->paths, same,
						 cdr_map_string(compiler, same, PATH_HINT));
	}
	else
	{
		condition->test = MAP_NONE_OF;
		condition->words = cdr_map_words(compiler, node->first);
	}
}

static void
compile_condition(MapCompiler *compiler, const CdrJsonNode *node,
				  MapCondition *condition)
{
	condition->path =
		compile_path(compiler, &compiler->set->paths, node, node->name);
	switch (node->kind)
	{
		case CDR_JSON_BOOLEAN:
			condition->test =
				strcmp(node->text, "true") == 0 ? MAP_THERE : MAP_NOT_THERE;
			break;
		case CDR_JSON_OBJECT:
			compile_relation(compiler, node, condition);
			break;
		case CDR_JSON_NULL:
			(void) refuse_value(
				compiler, node, "null is no condition",
				"Write false for a value that must not be there.");
			break;
		default:
			condition->test = MAP_ONE_OF;
			condition->words = cdr_map_words(compiler, node);
			break;
	}
}

MapConditions
cdr_map_conditions(MapCompiler *compiler, const CdrJsonNode *node)
{
	MapConditions conditions = {0, NULL};

	if (node == NULL || !cdr_map_object(compiler, node, NULL) ||
		!cdr_map_count(compiler, node, CDR_MAPPING_LIST_MAX))
		return conditions;
	conditions.conditions =
		palloc0(Max(node->count, 1) * sizeof(MapCondition));
	for (const CdrJsonNode *member = node->first;
		 member != NULL && compiler->reason == NULL; member = member->next)
		compile_condition(compiler, member,
						  &conditions.conditions[conditions.count++]);
	return conditions;
}

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

/* "from": a path or some, into the body or what "in" says. */
static void
compile_from(MapCompiler *compiler, const CdrJsonNode *node, MapValue *value)
{
	CdrJsonPaths *paths =
		value->inner != NULL ? &value->inner->paths : &compiler->set->paths;
	MapWords words = cdr_map_words(compiler, node);

	value->source = MAP_FROM_PATHS;
	value->paths = palloc(Max(words.count, 1) * sizeof(MapPath));
	for (int i = 0; i < words.count && compiler->reason == NULL; i++)
		value->paths[value->npaths++] =
			compile_path(compiler, paths, node, words.words[i]);
}

static void
compile_property(MapCompiler *compiler, const CdrJsonNode *node,
				 MapValue *value)
{
	static const char *const names[] = {
		"routing_key",	  "exchange",	"content_type", "content_encoding",
		"type",			  "message_id", "user_id",		"app_id",
		"correlation_id", "reply_to",	"expiration",	"priority",
		"delivery_mode",  NULL};

	value->source = MAP_FROM_PROPERTY;
	value->name = cdr_map_string(compiler, node, NULL);
	for (int i = 0; names[i] != NULL; i++)
	{
		if (strcmp(names[i], value->name) == 0)
			return;
	}
	(void) refuse_value(
		compiler, node, psprintf("there is no property \"%s\"", value->name),
		"Properties are routing_key, exchange, content_type, "
		"content_encoding, type, message_id, user_id, app_id, "
		"correlation_id, reply_to, expiration, priority and delivery_mode.");
}

/* Where the value comes from: exactly one source. */
static void
compile_source(MapCompiler *compiler, const CdrJsonNode *node, MapValue *value)
{
	const CdrJsonNode *from = cdr_json_tree_member(node, "from");
	const CdrJsonNode *in = cdr_json_tree_member(node, "in");
	const CdrJsonNode *constant = cdr_json_tree_member(node, "const");
	const CdrJsonNode *header = cdr_json_tree_member(node, "header");
	const CdrJsonNode *property = cdr_json_tree_member(node, "property");
	int sources = (from != NULL) + (constant != NULL) + (header != NULL) +
				  (property != NULL);

	if (sources != 1 || (in != NULL && from == NULL))
	{
		(void) refuse_value(compiler, node, "a value comes from one source",
							"Write one of \"from\", \"const\", \"header\" and "
							"\"property\"; \"in\" goes with \"from\".");
		return;
	}
	if (in != NULL)
		value->inner = compile_inner(compiler, in);
	if (from != NULL)
		compile_from(compiler, from, value);
	else if (property != NULL)
		compile_property(compiler, property, value);
	else if (header != NULL)
	{
		value->source = MAP_FROM_HEADER;
		value->name = cdr_map_string(compiler, header, NULL);
	}
	else
	{
		value->source = MAP_FROM_CONSTANT;
		value->name = constant->kind == CDR_JSON_NUMBER
						  ? constant->text
						  : cdr_map_string(compiler, constant, NULL);
	}
}

MapValue *
cdr_map_one_value(MapCompiler *compiler, const CdrJsonNode *node,
				  const char *const *names)
{
	MapValue		  *value = palloc0(sizeof(MapValue));
	const CdrJsonNode *table;
	const CdrJsonNode *otherwise;

	if (node->kind == CDR_JSON_STRING)
	{
		compile_from(compiler, node, value);
		return value;
	}
	if (node->kind != CDR_JSON_OBJECT)
	{
		(void) refuse_value(compiler, node,
							"a path, an object or a list is expected here",
							"A value that never changes is {\"const\": ...}.");
		return value;
	}
	if (!cdr_map_object(compiler, node, names))
		return value;
	value->when =
		cdr_map_conditions(compiler, cdr_json_tree_member(node, "when"));
	compile_source(compiler, node, value);
	value->none = cdr_map_words(compiler, cdr_json_tree_member(node, "none"));
	table = cdr_json_tree_member(node, "values");
	if (table != NULL)
		value->table = compile_table(compiler, table);
	otherwise = cdr_json_tree_member(node, "else");
	if (otherwise != NULL)
	{
		value->has_otherwise = true;
		value->otherwise = meaning_of(compiler, otherwise);
		if (table == NULL)
			(void) refuse_value(compiler, otherwise,
								"\"else\" goes with \"values\"", NULL);
	}
	return value;
}

MapValue *
cdr_map_value(MapCompiler *compiler, const CdrJsonNode *node)
{
	static const char *const names[] = {CDR_MAP_VALUE_NAMES, NULL};
	MapValue				*first = NULL;
	MapValue			   **last = &first;

	if (node == NULL)
		return NULL;
	if (node->kind != CDR_JSON_ARRAY)
		return cdr_map_one_value(compiler, node, names);
	if (!cdr_map_count(compiler, node, CDR_MAPPING_LIST_MAX))
		return NULL;
	for (node = node->first; node != NULL && compiler->reason == NULL;
		 node = node->next)
	{
		*last = cdr_map_one_value(compiler, node, names);
		last = &(*last)->next;
	}
	return first;
}
