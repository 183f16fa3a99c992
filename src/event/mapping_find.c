/*-------------------------------------------------------------------------
 *
 * mapping_find.c
 *	  Values and conditions of a mapping, in a message.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "base/properties.h"
#include "event/mapping_find.h"

/* ------------------------------------------------------------------------
 * Conditions
 * ------------------------------------------------------------------------
 */

static const char *
said_at(MapReading *reading, const MapPath *path)
{
	return cdr_json_paths_said(&reading->set->paths, path->step,
							   CDR_MAPPING_VALUE_MAX);
}

static bool
is_among(const MapWords *words, const char *text)
{
	for (int i = 0; text != NULL && i < words->count; i++)
	{
		if (strcmp(words->words[i], text) == 0)
			return true;
	}
	return false;
}

static bool
condition_holds(MapReading *reading, const MapCondition *condition)
{
	const char *text = said_at(reading, &condition->path);
	const char *other;

	switch (condition->test)
	{
		case MAP_ONE_OF:
			return is_among(&condition->words, text);
		case MAP_NONE_OF:
			return !is_among(&condition->words, text);
		case MAP_THERE:
			return text != NULL;
		case MAP_NOT_THERE:
			return text == NULL;
		case MAP_SAME:
			break;
	}
	/* two that say nothing are the same */
	other = said_at(reading, &condition->other);
	return text == NULL || other == NULL ? text == other
										 : strcmp(text, other) == 0;
}

bool
cdr_map_holds(MapReading *reading, const MapConditions *conditions,
			  const MapCondition **failed)
{
	for (int i = 0; i < conditions->count; i++)
	{
		*failed = &conditions->conditions[i];
		if (!condition_holds(reading, *failed))
			return false;
	}
	*failed = NULL;
	return true;
}

/* ------------------------------------------------------------------------
 * Where values come from
 * ------------------------------------------------------------------------
 */

/*
 * The paths of JSON inside of a string, filled once for each message; NULL: there
 * is none, or it is no JSON object.
 */
static CdrJsonPaths *
open_inner(MapReading *reading, MapInner *inner)
{
	CdrJsonPaths *outer = &reading->set->paths;
	const char	 *text =
		cdr_json_paths_said(outer, inner->path.step, PG_INT32_MAX);
	uint64 stamp = outer->steps[inner->path.step].stamp;

	if (text == NULL)
		return NULL;
	if (inner->stamp != stamp)
	{
		inner->stamp = stamp;
		inner->readable =
			cdr_json_paths_fill(&inner->paths, text, strlen(text)) == NULL;
	}
	return inner->readable ? &inner->paths : NULL;
}

/* Why none of the paths says anything, for whoever takes notes. */
static const char *
why_nothing(const CdrJsonPaths *paths, const MapValue *value)
{
	for (int i = 0; i < value->npaths; i++)
	{
		const CdrJsonValue *there =
			cdr_json_paths_value(paths, value->paths[i].step);

		if (there != NULL)
			return there->end - there->start > CDR_MAPPING_VALUE_MAX
					   ? "is too long"
					   : "is no text, number or boolean";
	}
	return "is not there, or empty";
}

/* The first of the paths that says anything. */
static void
find_in_paths(MapReading *reading, const MapValue *value, MapFound *found)
{
	CdrJsonPaths *paths = &reading->set->paths;

	found->from = value->paths[0].written;
	if (value->inner != NULL)
		paths = open_inner(reading, value->inner);
	if (paths == NULL)
		found->note = "what it stands in is not there, or is no JSON object";
	for (int i = 0; paths != NULL && i < value->npaths; i++)
	{
		int step = value->paths[i].step;

		found->text = cdr_json_paths_said(paths, step, CDR_MAPPING_VALUE_MAX);
		if (found->text != NULL)
		{
			found->from = value->paths[i].written;
			found->is_number = cdr_json_paths_value(paths, step)->is_number;
			break;
		}
	}
	if (paths != NULL && found->text == NULL && reading->notes != NULL)
		found->note = why_nothing(paths, value);
}

/* The members of an object, which may be NULL. */
static CdrJsonMembers *
members_of(const char *json)
{
	CdrJsonMembers *members = palloc0(sizeof(CdrJsonMembers));

	if (json != NULL)
		(void) cdr_json_members_read(json, strlen(json), members);
	return members;
}

static const char *
find_header(MapReading *reading, const char *name)
{
	if (reading->headers == NULL)
		reading->headers = members_of(cdr_headers_json(reading->message));
	return cdr_json_member_text(cdr_json_member(reading->headers, name));
}

/* Bytes as text, if they are that. */
static const char *
text_of_bytes(const char *bytes, size_t length)
{
	if (bytes == NULL || memchr(bytes, '\0', length) != NULL ||
		pg_encoding_verifymbstr(PG_UTF8, bytes, (int) length) != (int) length)
		return NULL;
	return pnstrdup(bytes, length);
}

static const char *
find_property(MapReading *reading, const char *name)
{
	const CdrMessage *message = reading->message;

	if (strcmp(name, "routing_key") == 0)
		return message->routing_key;
	if (strcmp(name, "content_type") == 0)
		return message->content_type;
	if (strcmp(name, "message_id") == 0)
		return text_of_bytes(message->message_id, message->message_id_length);

	/* of these, nothing is stored that is not asked for */
	reading->needs_properties = true;
	if (reading->properties == NULL)
		reading->properties = members_of(cdr_needed_properties_json(message));
	return cdr_json_member_text(cdr_json_member(reading->properties, name));
}

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

static int
compare_value(const void *text, const void *entry)
{
	return strcmp(text, ((const MapEntry *) entry)->value);
}

/* What the table makes of it; without a table, it itself. */
static void
translate(const MapValue *value, MapFound *found)
{
	const MapEntry *entry;

	if (value->table.count == 0 && !value->has_otherwise)
		return;
	entry = bsearch(found->text, value->table.entries, value->table.count,
					sizeof(MapEntry), compare_value);
	if (entry != NULL)
	{
		found->text = entry->means;
		found->note = "translated";
	}
	else if (value->has_otherwise)
	{
		found->text = value->otherwise;
		found->note = "not in the table: \"else\"";
	}
	else
		found->note = "not in the table";
	if (entry != NULL || value->has_otherwise)
		found->is_number = false;
}

static MapFound
find_one(MapReading *reading, const MapValue *value)
{
	MapFound			found = {NULL, false, value->name, NULL};
	const MapCondition *failed;

	if (!cdr_map_holds(reading, &value->when, &failed))
	{
		found.from = failed->path.written;
		found.note = "a condition does not hold";
		return found;
	}
	switch (value->source)
	{
		case MAP_FROM_CONSTANT:
			found.text = value->name;
			found.note = "constant";
			return found;
		case MAP_FROM_PATHS:
			find_in_paths(reading, value, &found);
			break;
		case MAP_FROM_HEADER:
			found.text = find_header(reading, value->name);
			found.note =
				found.text != NULL ? "header" : "header: is not there";
			break;
		case MAP_FROM_PROPERTY:
			found.text = find_property(reading, value->name);
			found.note =
				found.text != NULL ? "property" : "property: is not there";
			break;
	}
	if (found.text == NULL || found.text[0] == '\0')
		found.text = NULL;
	else if (is_among(&value->none, found.text))
	{
		found.text = NULL;
		found.note = "stands for nothing";
	}
	else
		translate(value, &found);
	return found;
}

/* The first that says anything, else the last. */
MapFound
cdr_map_find(MapReading *reading, const MapValue *value)
{
	MapFound found = {0};

	for (; value != NULL && found.text == NULL; value = value->next)
		found = find_one(reading, value);
	return found;
}
