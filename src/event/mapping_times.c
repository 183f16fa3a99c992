/*-------------------------------------------------------------------------
 *
 * mapping_times.c
 *	  Compiles times of a mapping.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/mapping_refuse.h"
#include "event/mapping_times.h"
#include "event/mapping_values.h"

static bool
refuse_time(MapCompiler *compiler, const CdrJsonNode *node,
			const char *message, const char *hint)
{
	return cdr_map_refuse(compiler, ERRCODE_INVALID_PARAMETER_VALUE, node,
						  message, hint);
}

/* The zone of that name, or the mapping's; NULL: UTC. */
static const void *
find_zone(MapCompiler *compiler, const CdrJsonNode *node)
{
	const CdrZones *zones = compiler->set->zones;
	const char	   *name;
	const void	   *zone;

	if (node == NULL)
		return compiler->zone;
	name = cdr_map_string(compiler, node, NULL);
	if (strcmp(name, "UTC") == 0)
		return NULL;
	zone = zones == NULL ? NULL : zones->find(name);
	if (zone == NULL)
		(void) refuse_time(compiler, node,
						   psprintf("there is no time zone \"%s\"", name),
						   "Write its full name, such as \"Europe/Berlin\".");
	return zone;
}

/* "plus" and "minus" */
static void
compile_duration(MapCompiler *compiler, const CdrJsonNode *node, int sign,
				 MapTime *time)
{
	static const char *const names[] = {CDR_MAP_VALUE_NAMES, "as", NULL};
	static const char *const units[] = {"s", "ms", "us", "ns"};
	MapDuration				*duration = &time->durations[time->ndurations];
	const CdrJsonNode		*unit;
	int						 i = 0;

	if (node == NULL)
		return;
	time->ndurations++;
	duration->sign = sign;
	duration->value = cdr_map_one_value(compiler, node, names);
	unit = cdr_json_tree_member(node, "as");
	while (
		unit != NULL && i < (int) lengthof(units) &&
		(unit->kind != CDR_JSON_STRING || strcmp(units[i], unit->text) != 0))
		i++;
	if (i == (int) lengthof(units))
		(void) refuse_time(compiler, unit, "this is no unit of a duration",
						   "Units are \"s\", \"ms\", \"us\" and \"ns\".");
	duration->digits = i * 3;
}

void
cdr_map_zone(MapCompiler *compiler, const CdrJsonNode *node)
{
	compiler->has_zone = node != NULL;
	if (node != NULL)
		compiler->zone = find_zone(compiler, node);
}

static MapNotation
compile_notation(MapCompiler *compiler, const CdrJsonNode *node)
{
	static const char *const names[] = {
		[MAP_RFC3339] = "rfc3339",	   [MAP_RFC2822] = "rfc2822",
		[MAP_UNIX] = "unix",		   [MAP_UNIX_MS] = "unix_ms",
		[MAP_UNIX_US] = "unix_us",	   [MAP_UNIX_NS] = "unix_ns",
		[MAP_GREGORIAN] = "gregorian", [MAP_LOCAL] = "local"};

	if (node == NULL)
		return MAP_RFC3339;
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (node->kind == CDR_JSON_STRING && strcmp(names[i], node->text) == 0)
			return i;
	}
	(void) refuse_time(
		compiler, node, "this is no notation of a time",
		"Notations are \"rfc3339\", \"rfc2822\", \"unix\", "
		"\"unix_ms\", \"unix_us\", \"unix_ns\", \"gregorian\" and "
		"\"local\".");
	return MAP_RFC3339;
}

static MapTime *
compile_time(MapCompiler *compiler, const CdrJsonNode *node)
{
	static const char *const names[] = {
		CDR_MAP_VALUE_NAMES, "as", "zone", "plus", "minus", NULL};
	MapTime			  *time = palloc0(sizeof(MapTime));
	const CdrJsonNode *zone = cdr_json_tree_member(node, "zone");

	time->value = cdr_map_one_value(compiler, node, names);
	time->notation =
		compile_notation(compiler, cdr_json_tree_member(node, "as"));
	if (time->notation == MAP_LOCAL && zone == NULL && !compiler->has_zone)
		(void) refuse_time(
			compiler, node, "a local time needs a zone",
			"Write \"zone\": \"Europe/Berlin\" here, or at the top "
			"of the mapping for all of its times.");
	else if (time->notation == MAP_LOCAL)
		time->zone = find_zone(compiler, zone);
	else if (zone != NULL)
		(void) refuse_time(compiler, zone,
						   "\"zone\" goes with \"as\": \"local\"", NULL);
	compile_duration(compiler, cdr_json_tree_member(node, "plus"), 1, time);
	compile_duration(compiler, cdr_json_tree_member(node, "minus"), -1, time);
	return time;
}

MapTime *
cdr_map_time(MapCompiler *compiler, const CdrJsonNode *node)
{
	MapTime	 *first = NULL;
	MapTime **last = &first;

	if (node == NULL)
		return NULL;
	if (node->kind != CDR_JSON_ARRAY)
		return compile_time(compiler, node);
	if (!cdr_map_count(compiler, node, CDR_MAPPING_LIST_MAX))
		return NULL;
	for (node = node->first; node != NULL && compiler->reason == NULL;
		 node = node->next)
	{
		*last = compile_time(compiler, node);
		last = &(*last)->next;
	}
	return first;
}
