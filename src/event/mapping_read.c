/*-------------------------------------------------------------------------
 *
 * mapping_read.c
 *	  Reads a message by the mapping that matches it.
 *
 * Exchange, routing key and content type are looked at first: a message that no
 * mapping asks for is read natively, as if there were none.  For all others the
 * body is parsed once, with the keys of all mappings and of the native form, and
 * what the mappings want to see in it is looked at then.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "base/identity.h"
#include "event/correction.h"
#include "event/json_text.h"
#include "event/mapping_find.h"
#include "event/mapping_moment.h"
#include "event/mapping_read.h"
#include "event/number.h"

/* The kinds of facts that an event can have, at most one of each. */
#define NKINDS (CDR_RECORDING_AVAILABLE + 1)

/* ------------------------------------------------------------------------
 * Notes
 * ------------------------------------------------------------------------
 */

static void
note(const MapReading *reading, const CdrMappingNote *said)
{
	CdrMappingNote whole = *said;

	whole.mapping = &reading->mapping->id;
	reading->notes->take(reading->notes->state, &whole);
}

static void
note_found(const MapReading *reading, CdrEventKind kind, const char *column,
		   const MapFound *found)
{
	if (reading->notes == NULL)
		return;
	note(reading, &(CdrMappingNote){.kind = kind,
									.column = column,
									.value = found->text,
									.time = CDR_NO_TIME,
									.from = found->from,
									.note = found->note});
}

static void
note_moment(const MapReading *reading, CdrEventKind kind,
			const MapMoment *moment)
{
	if (reading->notes == NULL)
		return;
	note(reading, &(CdrMappingNote){.kind = kind,
									.column = "time",
									.value = moment->value,
									.time = moment->time,
									.from = moment->from,
									.note = moment->note});
}

/* What keeps a mapping from matching, or a rule from setting its fact. */
static void
note_failed(const MapReading *reading, CdrEventKind kind, const char *column,
			const char *from, const char *why)
{
	if (reading->notes == NULL)
		return;
	note(reading, &(CdrMappingNote){.kind = kind,
									.column = column,
									.time = CDR_NO_TIME,
									.from = from,
									.note = why});
}

/* ------------------------------------------------------------------------
 * Which mapping
 * ------------------------------------------------------------------------
 */

/* The word behind this one; NULL: there is none. */
static const char *
word_after(const char *word)
{
	word += strcspn(word, ".");
	return *word == '.' ? word + 1 : NULL;
}

static bool
is_topic_word(const char *word, char c)
{
	return word[0] == c && (word[1] == '.' || word[1] == '\0');
}

static bool
same_topic_word(const char *a, const char *b)
{
	size_t length = strcspn(a, ".");

	return length == strcspn(b, ".") && memcmp(a, b, length) == 0;
}

/*
 * Word by word.  What a "#" takes is tried from nothing on; of several, only the
 * last has to be tried again, as words that an earlier one leaves match the
 * sooner.
 */
static bool
matches_topic(const char *pattern, const char *key)
{
	const char *behind_hash = NULL; /* the pattern behind the last "#" */
	const char *taken_to = NULL;	/* what it has taken ends there */
	bool		has_hash = false;

	/* no words at all */
	if (*pattern == '\0')
		return *key == '\0';
	if (*key == '\0')
		key = NULL;
	while (key != NULL)
	{
		if (pattern != NULL && is_topic_word(pattern, '#'))
		{
			has_hash = true;
			behind_hash = pattern = word_after(pattern);
			taken_to = key;
		}
		else if (pattern != NULL && (is_topic_word(pattern, '*') ||
									 same_topic_word(pattern, key)))
		{
			pattern = word_after(pattern);
			key = word_after(key);
		}
		else if (has_hash)
		{
			key = taken_to = word_after(taken_to);
			pattern = behind_hash;
		}
		else
			return false;
	}
	while (pattern != NULL && is_topic_word(pattern, '#'))
		pattern = word_after(pattern);
	return pattern == NULL;
}

static bool
is_exchange(const char *word, const char *exchange)
{
	return strcmp(word, exchange) == 0;
}

/* Without parameters, in any case of letters. */
static bool
is_content_type(const char *word, const char *content_type)
{
	size_t length = strcspn(content_type, "; \t");

	return strlen(word) == length &&
		   pg_strncasecmp(word, content_type, length) == 0;
}

/* None asked for, or one of these; a property that is not there is empty. */
static bool
matches(const MapWords *words, const char *text,
		bool (*fits)(const char *word, const char *text))
{
	for (int i = 0; i < words->count; i++)
	{
		if (fits(words->words[i], text == NULL ? "" : text))
			return true;
	}
	return words->count == 0;
}

const char *
cdr_mapping_envelope_mismatch(const CdrMapping *mapping,
							  const CdrMessage *message)
{
	if (!matches(&mapping->exchanges, message->exchange, is_exchange))
		return "another exchange";
	if (!matches(&mapping->routing_keys, message->routing_key, matches_topic))
		return "another routing key";
	if (!matches(&mapping->content_types, message->content_type,
				 is_content_type))
		return "another content type";
	return NULL;
}

/*
 * The elements of an array are for those that name it, and whatever came alone is
 * for the others.
 */
const char *
cdr_mapping_mismatch(const CdrMapping *mapping, const CdrMessage *message)
{
	if (mapping->each == NULL && message->array != NULL)
		return "an element of an array";
	if (mapping->each != NULL && message->array == NULL)
		return "no element of an array";
	if (mapping->each != NULL && strcmp(mapping->each, message->array) != 0)
		return "an element of another array";
	return cdr_mapping_envelope_mismatch(mapping, message);
}

/* Those that may match, as bits. */
static uint32
mapping_candidates(MapReading *reading)
{
	const CdrMappings *set = reading->set;
	uint32			   candidates =
		reading->message->array == NULL ? set->of_any_properties : 0;

	for (int i = 0; i < set->count; i++)
	{
		uint32		bit = (uint32) 1 << i;
		const char *why;

		if (candidates & bit)
			continue;
		why = cdr_mapping_mismatch(set->mappings[i], reading->message);
		if (why == NULL)
			candidates |= bit;
		else if (reading->notes != NULL)
		{
			reading->mapping = set->mappings[i];
			note_failed(reading, CDR_OTHER, "mapping", NULL, why);
		}
	}
	return candidates;
}

/* Does the body match, too?  It is the mapping to read by then. */
static bool
body_matches(MapReading *reading, const CdrMapping *mapping)
{
	const MapCondition *failed;

	reading->mapping = mapping;
	if (cdr_map_holds(reading, &mapping->where, &failed))
		return true;
	note_failed(reading, CDR_OTHER, "mapping", failed->path.written,
				"a condition does not hold");
	return false;
}

/* The first of them that matches the body, too. */
static bool
choose(MapReading *reading, uint32 candidates)
{
	const CdrMappings *set = reading->set;

	for (int i = 0; i < set->count; i++)
	{
		if ((candidates & ((uint32) 1 << i)) == 0 ||
			(reading->notes == NULL &&
			 !cdr_json_paths_met(&set->paths, set->needed[i])))
			continue;
		if (body_matches(reading, set->mappings[i]))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Facts
 * ------------------------------------------------------------------------
 */

/* Of a number of JSON its digits are dialled, however it is printed. */
static const char *
dialled_number(const MapFound *found)
{
	if (found->text == NULL)
		return NULL;
	return found->is_number ? cdr_number_from_token(found->text)
							: cdr_number_from_uri(found->text);
}

/* Where the text of a column goes; NULL: it is no plain text. */
static const char **
text_of_column(CdrEventFact *fact, MapColumn column)
{
	switch (column)
	{
		case MAP_DIRECTION:
			return &fact->direction;
		case MAP_TRUNK:
			return &fact->trunk;
		case MAP_USER_ID:
			return &fact->user_id;
		case MAP_TENANT_ID:
			return &fact->tenant_id;
		case MAP_HANGUP_CAUSE:
			return &fact->hangup_cause;
		case MAP_HANGUP_SOURCE:
			return &fact->hangup_source;
		case MAP_RECORDING_URL:
			return &fact->recording_url;
		default:
			return NULL;
	}
}

static void
set_column(CdrEventFact *fact, MapColumn column, const MapFound *found)
{
	const char **text = text_of_column(fact, column);
	int64		 number;

	if (text != NULL)
	{
		if (found->text != NULL)
			*text = found->text;
		return;
	}
	switch (column)
	{
		case MAP_CALLER_NUMBER:
			fact->caller_number = dialled_number(found);
			break;
		case MAP_CALLEE_NUMBER:
			fact->callee_number = dialled_number(found);
			break;
		case MAP_CONTACT_ID:
			fact->contact_id = cdr_json_integer_or_none(found->text);
			fact->has_contact_id = fact->contact_id != 0;
			break;
		default:
			number = cdr_json_integer_or_none(found->text);
			if (number >= CDR_SIP_STATUS_FIRST &&
				number <= CDR_SIP_STATUS_LAST)
				fact->sip_status = (int) number;
			break;
	}
}

/* What a rule that holds says. */
static void
fill_fact(MapReading *reading, const MapRule *rule, int extension_digits,
		  CdrEventFact *fact)
{
	for (int i = 0; i < MAP_NCOLUMNS; i++)
	{
		MapFound found;

		if (rule->columns[i] == NULL)
			continue;
		found = cdr_map_find(reading, rule->columns[i]);
		set_column(fact, i, &found);
		note_found(reading, rule->kind, cdr_map_columns[i], &found);
	}
	if (rule->kind == CDR_CALL_STARTED && fact->direction == NULL)
		fact->direction = cdr_number_direction(
			fact->caller_number, fact->callee_number, extension_digits);
}

/*
 * Does the rule set its fact?  Not where its time is not there.  A time that
 * cannot be read leaves the fact unset, whatever rules follow.
 */
static bool
rule_holds(MapReading *reading, const MapRule *rule, MapMoment *moment)
{
	const MapCondition *failed;

	moment->time = CDR_NO_TIME;
	moment->unread = false;
	if (!cdr_map_holds(reading, &rule->when, &failed))
	{
		note_failed(reading, rule->kind, "rule", failed->path.written,
					"a condition does not hold");
		return false;
	}
	if (rule->time == NULL)
		return true;
	*moment = cdr_map_moment(reading, rule->time);
	note_moment(reading, rule->kind, moment);
	return moment->time != CDR_NO_TIME;
}

static void
read_facts(MapReading *reading, int extension_digits, CdrFields *fields)
{
	bool			  done[NKINDS] = {false};
	const CdrMapping *mapping = reading->mapping;

	if (mapping->nrules > 0)
		fields->facts = palloc0(NKINDS * sizeof(CdrEventFact));
	for (int i = 0; i < mapping->nrules; i++)
	{
		const MapRule *rule = &mapping->rules[i];
		MapMoment	   moment;
		CdrEventFact  *fact;

		if (done[rule->kind])
			continue;
		if (rule_holds(reading, rule, &moment))
		{
			fact = &fields->facts[fields->nfacts++];
			fact->kind = rule->kind;
			fact->rank = rule->rank;
			fact->time = moment.time;
			fact->tenant_id = fields->tenant_id;
			fill_fact(reading, rule, extension_digits, fact);
			done[rule->kind] = true;
		}
		else if (moment.unread)
			done[rule->kind] = fields->time_unread = true;
	}
}

/* ------------------------------------------------------------------------
 * The event
 * ------------------------------------------------------------------------
 */

static const char *
find_text(MapReading *reading, const char *column, const MapValue *value)
{
	MapFound found;

	if (value == NULL)
		return NULL;
	found = cdr_map_find(reading, value);
	note_found(reading, CDR_OTHER, column, &found);
	return found.text;
}

/*
 * The identity of an event by its values: what else it says may differ when it
 * comes again.  By the name of the mapping, too, as two platforms may number
 * theirs alike; not by its version.  NULL: by all of its bytes.
 */
static const pg_uuid_t *
find_identity(MapReading *reading)
{
	static const char marker[] = "cdr_mappings";
	const CdrMapping *mapping = reading->mapping;
	bool			  any = false;
	StringInfoData	  bytes;
	pg_uuid_t		 *id;
	CdrDigest		  digest;

	if (mapping->nidentity == 0)
		return NULL;
	initStringInfo(&bytes);
	appendBinaryStringInfo(&bytes, mapping->id.name,
						   (int) strlen(mapping->id.name) + 1);
	for (int i = 0; i < mapping->nidentity; i++)
	{
		const char *text =
			find_text(reading, "identity", mapping->identity[i]);

		any |= text != NULL;
		/* no text is not an empty one; none of them holds a NUL */
		appendStringInfoChar(&bytes, text == NULL ? '-' : '+');
		if (text != NULL)
			appendBinaryStringInfo(&bytes, text, (int) strlen(text) + 1);
	}
	if (!any)
		return NULL;
	id = palloc(sizeof(pg_uuid_t));
	cdr_identity_of(marker, sizeof(marker), bytes.data, bytes.len, id,
					&digest);
	return id;
}

/* What a strict mapping demands; NULL: it is there. */
static const CdrReason *
check_strict(const CdrMapping *mapping, const CdrFields *fields)
{
	if (!mapping->strict)
		return NULL;
	if (fields->call_id == NULL)
		return cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
							psprintf("event says no call id, which mapping "
									 "\"%s\" demands",
									 mapping->id.name));
	if (fields->time_unread)
		return cdr_no_event(
			ERRCODE_INVALID_DATETIME_FORMAT,
			psprintf("event has a time that mapping \"%s\" cannot read",
					 mapping->id.name));
	if (fields->time == CDR_NO_TIME)
		return cdr_no_event(ERRCODE_INVALID_DATETIME_FORMAT,
							psprintf("event says no time, which mapping "
									 "\"%s\" demands",
									 mapping->id.name));
	return NULL;
}

static const CdrReason *
read_mapped(MapReading *reading, int extension_digits, CdrFields *fields)
{
	const CdrMapping *mapping = reading->mapping;
	MapMoment		  moment = {.time = CDR_NO_TIME};

	note_failed(reading, CDR_OTHER, "mapping", NULL, NULL);
	fields->mapping = &mapping->id;
	fields->type = find_text(reading, "type", mapping->type);
	fields->call_id = find_text(reading, "call_id", mapping->call_id);
	fields->trace_id = find_text(reading, "trace_id", mapping->trace_id);
	fields->tenant_id = find_text(reading, "tenant_id", mapping->tenant_id);
	fields->identity = find_identity(reading);
	if (mapping->time != NULL)
	{
		moment = cdr_map_moment(reading, mapping->time);
		note_moment(reading, CDR_OTHER, &moment);
	}
	fields->time = moment.time;
	fields->time_unread = moment.unread;
	if (fields->call_id != NULL)
		read_facts(reading, extension_digits, fields);
	fields->needs_properties = reading->needs_properties;
	return check_strict(mapping, fields);
}

const CdrReason *
cdr_mapping_read(const CdrMappingUse *use, const CdrMessage *message,
				 int extension_digits, const char *text, size_t length,
				 CdrFields *fields)
{
	MapReading reading = {
		.set = use->set, .message = message, .notes = use->notes};
	size_t			 mark = cdr_json_mark(text, length);
	uint32			 candidates = 0;
	const CdrReason *reason;

	if (use->by == NULL)
	{
		candidates = mapping_candidates(&reading);
		if (candidates == 0)
			return cdr_json_read(text, length, fields);
	}
	reason = cdr_json_paths_fill(&use->set->paths, text + mark, length - mark);
	if (reason != NULL)
		return reason;
	if (use->by != NULL ? body_matches(&reading, use->by)
						: choose(&reading, candidates))
	{
		fields->is_cloudevent = cdr_json_is_envelope(use->set->keys);
		return read_mapped(&reading, extension_digits, fields);
	}
	cdr_json_fields(use->set->keys, fields);
	return NULL;
}
