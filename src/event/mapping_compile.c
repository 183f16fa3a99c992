/*-------------------------------------------------------------------------
 *
 * mapping_compile.c
 *	  Compiles mappings into a set.
 *
 * Strict: what is not known is refused, so that nothing that somebody wrote is
 * passed over in silence, and an older library does not read by half of a
 * definition.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/json_check.h"
#include "event/mapping_compile.h"
#include "event/mapping_refuse.h"
#include "event/mapping_times.h"
#include "event/mapping_values.h"

/* What a rule can set, and which columns that has. */
static const struct
{
	const char	*name;
	CdrEventKind kind;
	unsigned int columns; /* 1 << MapColumn */
} registers[] = {
	{"started", CDR_CALL_STARTED,
	 1 << MAP_CALLER_NUMBER | 1 << MAP_CALLEE_NUMBER | 1 << MAP_DIRECTION |
		 1 << MAP_TRUNK | 1 << MAP_USER_ID | 1 << MAP_CONTACT_ID |
		 1 << MAP_TENANT_ID},
	{"rang", CDR_CALL_RINGING, 0},
	{"answered", CDR_CALL_ANSWERED, 0},
	{"ended", CDR_CALL_ENDED,
	 1 << MAP_HANGUP_CAUSE | 1 << MAP_HANGUP_SOURCE | 1 << MAP_SIP_STATUS},
	{"identified", CDR_USER_IDENTIFIED,
	 1 << MAP_USER_ID | 1 << MAP_CONTACT_ID | 1 << MAP_TENANT_ID},
	{"recording", CDR_RECORDING_AVAILABLE, 1 << MAP_RECORDING_URL},
};

static bool
compile_refuse(MapCompiler *compiler, const CdrJsonNode *node,
			   const char *message, const char *hint)
{
	return cdr_map_refuse(compiler, ERRCODE_INVALID_PARAMETER_VALUE, node,
						  message, hint);
}

/* ------------------------------------------------------------------------
 * The parts of a definition
 * ------------------------------------------------------------------------
 */

static void
compile_match(MapCompiler *compiler, const CdrJsonNode *node,
			  CdrMapping *mapping)
{
	static const char *const names[] = {"exchange", "routing_key",
										"content_type", "where", NULL};

	if (node == NULL || !cdr_map_object(compiler, node, names))
		return;
	mapping->exchanges =
		cdr_map_words(compiler, cdr_json_tree_member(node, "exchange"));
	mapping->routing_keys =
		cdr_map_words(compiler, cdr_json_tree_member(node, "routing_key"));
	mapping->content_types =
		cdr_map_words(compiler, cdr_json_tree_member(node, "content_type"));
	mapping->where =
		cdr_map_conditions(compiler, cdr_json_tree_member(node, "where"));
}

/* "content", or the values by which an event is known. */
static void
compile_identity(MapCompiler *compiler, const CdrJsonNode *node,
				 CdrMapping *mapping)
{
	if (node == NULL)
		return;
	if (node->kind == CDR_JSON_STRING && strcmp(node->text, "content") == 0)
	{
		mapping->by_content = true;
		return;
	}
	if (node->kind != CDR_JSON_ARRAY || node->count == 0 ||
		node->count > CDR_MAPPING_LIST_MAX)
	{
		(void) compile_refuse(compiler, node,
							  "a list of values is expected here",
							  "Write [value, ...], or \"content\" for all of "
							  "the message's bytes.");
		return;
	}
	mapping->identity = palloc(node->count * sizeof(MapValue *));
	for (node = node->first; node != NULL && compiler->reason == NULL;
		 node = node->next)
		mapping->identity[mapping->nidentity++] =
			cdr_map_value(compiler, node);
}

static void
compile_event(MapCompiler *compiler, const CdrJsonNode *root,
			  CdrMapping *mapping)
{
	static const char *const names[] = {
		"type", "time", "call_id", "trace_id", "tenant_id", "identity", NULL};
	const CdrJsonNode *node = cdr_json_tree_member(root, "event");

	if (node == NULL)
		(void) compile_refuse(compiler, root, "\"event\" is missing",
							  "It says where type, time and call stand: "
							  "\"event\": {\"call_id\": path, ...}.");
	if (node == NULL || !cdr_map_object(compiler, node, names))
		return;
	mapping->type =
		cdr_map_value(compiler, cdr_json_tree_member(node, "type"));
	mapping->time = cdr_map_time(compiler, cdr_json_tree_member(node, "time"));
	mapping->call_id =
		cdr_map_value(compiler, cdr_json_tree_member(node, "call_id"));
	mapping->trace_id =
		cdr_map_value(compiler, cdr_json_tree_member(node, "trace_id"));
	mapping->tenant_id =
		cdr_map_value(compiler, cdr_json_tree_member(node, "tenant_id"));
	compile_identity(compiler, cdr_json_tree_member(node, "identity"),
					 mapping);
	if (mapping->call_id == NULL && cdr_json_tree_member(root, "call") != NULL)
		(void) compile_refuse(compiler, node, "\"call_id\" is missing",
							  "Without it, nobody knows whose facts these "
							  "are.");
}

static int
find_register(MapCompiler *compiler, const CdrJsonNode *rule)
{
	const CdrJsonNode *set = cdr_json_tree_member(rule, "set");

	for (int i = 0; set != NULL && i < (int) lengthof(registers); i++)
	{
		if (set->kind == CDR_JSON_STRING &&
			strcmp(registers[i].name, set->text) == 0)
			return i;
	}
	(void) compile_refuse(compiler, set != NULL ? set : rule,
						  "a rule sets one of the facts of a call",
						  "Write \"set\": \"started\", \"rang\", "
						  "\"answered\", \"ended\", \"identified\" or "
						  "\"recording\".");
	return -1;
}

static CdrRank
compile_rank(MapCompiler *compiler, const CdrJsonNode *node)
{
	if (node == NULL)
		return CDR_RANK_LIVE;
	if (node->kind == CDR_JSON_NUMBER && strlen(node->text) == 1 &&
		node->text[0] <= '2')
		return node->text[0] - '0';
	(void) compile_refuse(compiler, node, "this is no rank",
						  "Ranks are 0 (told as it happened), 1 (told "
						  "afterwards) and 2 (a guess).");
	return CDR_RANK_LIVE;
}

static void
compile_rule(MapCompiler *compiler, const CdrJsonNode *node, MapRule *rule)
{
	const char *names[MAP_NCOLUMNS + 5] = {"set", "when", "rank", "time"};
	int			nnames = 4;
	int			found = find_register(compiler, node);

	if (found < 0)
		return;
	for (int i = 0; i < MAP_NCOLUMNS; i++)
	{
		if (registers[found].columns & (1U << i))
			names[nnames++] = cdr_map_columns[i];
	}
	names[nnames] = NULL;
	if (!cdr_map_object(compiler, node, names))
		return;
	rule->kind = registers[found].kind;
	rule->rank = compile_rank(compiler, cdr_json_tree_member(node, "rank"));
	rule->when =
		cdr_map_conditions(compiler, cdr_json_tree_member(node, "when"));
	rule->time = cdr_map_time(compiler, cdr_json_tree_member(node, "time"));
	for (int i = 0; i < MAP_NCOLUMNS; i++)
		rule->columns[i] = cdr_map_value(
			compiler, cdr_json_tree_member(node, cdr_map_columns[i]));
}

static void
compile_rules(MapCompiler *compiler, const CdrJsonNode *node,
			  CdrMapping *mapping)
{
	if (node == NULL)
		return;
	if (node->kind != CDR_JSON_ARRAY)
		(void) compile_refuse(compiler, node,
							  "a list of rules is expected here",
							  "Write [{\"set\": \"started\", ...}, ...].");
	else if (node->count > CDR_MAPPING_RULES_MAX)
		(void) cdr_map_refuse(
			compiler, ERRCODE_PROGRAM_LIMIT_EXCEEDED, node,
			psprintf("a mapping has at most %d rules", CDR_MAPPING_RULES_MAX),
			NULL);
	else
	{
		mapping->rules = palloc0(Max(node->count, 1) * sizeof(MapRule));
		for (node = node->first; node != NULL && compiler->reason == NULL;
			 node = node->next)
			compile_rule(compiler, node, &mapping->rules[mapping->nrules++]);
	}
}

/* The array whose elements are messages of their own. */
static void
compile_each(MapCompiler *compiler, const CdrJsonNode *node,
			 CdrMapping *mapping)
{
	if (node == NULL)
		return;
	if (node->kind != CDR_JSON_STRING ||
		(node->text[0] != '\0' && node->text[0] != '/'))
	{
		(void) compile_refuse(compiler, node, "this is no JSON pointer",
							  "Write \"/events\" for an array in a member of "
							  "that name, and \"\" for a body that is one.");
		return;
	}
	mapping->each = node->text;
	mapping->each_steps = cdr_map_pointer(compiler, node, node->text);
}

static void
compile_mapping(MapCompiler *compiler, const CdrJsonNode *root,
				CdrMapping *mapping)
{
	static const char *const names[] = {"description", "each", "match",
										"event",	   "call", "strict",
										"zone",		   NULL};
	const CdrJsonNode		*strict = cdr_json_tree_member(root, "strict");
	const CdrJsonNode *description = cdr_json_tree_member(root, "description");

	if (!cdr_map_object(compiler, root, names))
		return;
	if (description != NULL && description->kind != CDR_JSON_STRING)
		(void) compile_refuse(compiler, description, "a text is expected here",
							  NULL);
	if (strict != NULL && strict->kind != CDR_JSON_BOOLEAN)
		(void) compile_refuse(compiler, strict,
							  "true or false is expected here", NULL);
	/* an object, which is refused above, has no text */
	mapping->strict = strict != NULL && strict->kind == CDR_JSON_BOOLEAN &&
					  strcmp(strict->text, "true") == 0;
	cdr_map_zone(compiler, cdr_json_tree_member(root, "zone"));
	compile_each(compiler, cdr_json_tree_member(root, "each"), mapping);
	compile_match(compiler, cdr_json_tree_member(root, "match"), mapping);
	compile_event(compiler, root, mapping);
	compile_rules(compiler, cdr_json_tree_member(root, "call"), mapping);
}

/* ------------------------------------------------------------------------
 * The set
 * ------------------------------------------------------------------------
 */

CdrMappings *
cdr_mappings_begin(const CdrZones *zones)
{
	CdrMappings *set = palloc0(sizeof(CdrMappings));

	set->zones = zones;
	cdr_json_paths_begin(&set->paths);
	set->keys = cdr_json_keys_in(&set->paths);
	return set;
}

/* What can be told before the definition is looked at. */
static const CdrReason *
check_limits(const CdrMappings *set, const char *name, size_t length)
{
	if (set->count == CDR_MAPPINGS_MAX)
		return cdr_no_event(
			ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			psprintf("there are more than %d mappings", CDR_MAPPINGS_MAX));
	if (length > CDR_MAPPING_SIZE_MAX)
		return cdr_no_event(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							psprintf("mapping has %zu bytes, of at most %d",
									 length, CDR_MAPPING_SIZE_MAX));
	if (name[0] == '\0' || strlen(name) > CDR_MAPPING_NAME_MAX)
		return cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
							psprintf("name of a mapping has %zu bytes, of 1 "
									 "to %d",
									 strlen(name), CDR_MAPPING_NAME_MAX));
	return NULL;
}

/* The reader of JSON says "event". */
static const CdrReason *
unreadable_definition(const CdrReason *reason)
{
	CdrReason *result = palloc(sizeof(CdrReason));

	*result = *reason;
	result->message = "mapping is no JSON that can be read";
	if (result->detail == NULL)
		result->detail = reason->message;
	return result;
}

/* A step that something must stand at if the conditions hold. */
static int
needed_step(const MapConditions *conditions)
{
	for (int i = 0; i < conditions->count; i++)
	{
		const MapCondition *condition = &conditions->conditions[i];

		if (condition->test == MAP_ONE_OF || condition->test == MAP_THERE)
			return condition->path.step;
	}
	return CDR_JSON_ROOT;
}

static void
put_into_set(CdrMappings *set, CdrMapping *mapping)
{
	int number = set->count++;

	set->mappings[number] = mapping;
	set->needed[number] = needed_step(&mapping->where);
	set->has_each |= mapping->each != NULL;
	if (mapping->each == NULL && mapping->exchanges.count == 0 &&
		mapping->routing_keys.count == 0 && mapping->content_types.count == 0)
		set->of_any_properties |= (uint32) 1 << number;
}

const CdrReason *
cdr_mappings_add(CdrMappings *set, const char *name, int version,
				 const char *definition, size_t length)
{
	const CdrReason *reason = check_limits(set, name, length);
	MapCompiler		 compiler = {.set = set};
	CdrMapping		*mapping;
	CdrJsonNode		*root;

	if (reason != NULL)
		return reason;
	reason =
		cdr_json_tree_read(definition, length, CDR_MAPPING_DEPTH_MAX, &root);
	if (reason != NULL)
		return unreadable_definition(reason);
	mapping = palloc0(sizeof(CdrMapping));
	mapping->id.name = pstrdup(name);
	mapping->id.version = version;
	compile_mapping(&compiler, root, mapping);
	if (compiler.reason == NULL)
		put_into_set(set, mapping);
	return compiler.reason;
}

void
cdr_mappings_end(CdrMappings *set)
{
	cdr_json_paths_end(&set->paths);
	for (MapInner *inner = set->inners; inner != NULL; inner = inner->next)
		cdr_json_paths_end(&inner->paths);
}

const CdrMapping *
cdr_mappings_find(const CdrMappings *set, const char *name, int version)
{
	for (int i = 0; i < set->count; i++)
	{
		const CdrMapping *mapping = set->mappings[i];

		if (mapping->id.version == version &&
			strcmp(mapping->id.name, name) == 0)
			return mapping;
	}
	return NULL;
}
