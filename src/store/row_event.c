/*-------------------------------------------------------------------------
 *
 * row_event.c
 *	  An event, read from a row of somebody's table by the mapping that was named.
 *
 * A row is read by that mapping whatever it matches, for a row has no exchange and
 * no routing key; only what it asks of the body has to hold.  It is taken for one
 * that may have come before: so a row that was recorded by an older version of the
 * mapping is known, although that gave it another call or time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/identity.h"
#include "event/fields.h"
#include "event/json_members.h"
#include "store/mapping_cache.h"
#include "store/row_event.h"

/*
 * The property by which an event of the log, or a dead letter, says that it was a
 * row, and which mapping is to read it: no message of a broker has one of that name.
 */
#define ROW_MAPPING "mapping"

/* Of a row that is larger than any event, so many bytes are kept. */
#define ROW_START (64 * 1024)

void
cdr_row_source(const char *mapping, CdrRowSource *source)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"" ROW_MAPPING "\":");
	escape_json(&json, mapping);
	appendStringInfoChar(&json, '}');
	source->mapping = mapping;
	source->version = cdr_mappings_named(mapping);
	source->properties = json.data;
}

const char *
cdr_row_mapping(const char *properties)
{
	CdrJsonMembers members;

	if (properties == NULL ||
		!cdr_json_members_read(properties, strlen(properties), &members))
		return NULL;
	return cdr_json_member_text(cdr_json_member(&members, ROW_MAPPING));
}

CdrMessage *
cdr_row_message(const CdrRowSource *source, const char *json, size_t length)
{
	CdrMessage *message = palloc0(sizeof(CdrMessage));

	message->body = json;
	message->body_length = length;
	message->body_size = length;
	message->mapping = source->mapping;
	message->other_properties = source->properties;
	message->property_time = CDR_NO_TIME;
	message->received_at = GetCurrentTimestamp();
	message->redelivered = true;
	if (length > CDR_EVENT_SIZE_MAX)
	{
		pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
		CdrDigest  digest;

		cdr_identity_of(NULL, 0, json, length, id, &digest);
		message->id = id;
		message->body_length = ROW_START;
	}
	return message;
}

void
cdr_row_read(const CdrMessage *message, int version,
			 const CdrEventOptions *options, CdrEvent *event)
{
	CdrEventOptions own = *options;

	own.mappings = version != 0 ? cdr_mappings_recorded(version) : NULL;
	if (!cdr_event_parse_json(message, &own, event))
		return;
	/* else nobody could tell which mapping is to read it anew */
	event->needs_properties = true;
	if (version != 0 && event->mapping != NULL)
		return;
	event->reason =
		version == 0
			? cdr_no_event(ERRCODE_UNDEFINED_OBJECT,
						   psprintf("mapping \"%s\" of the row is not there",
									message->mapping))
			: cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
						   psprintf("row is not what mapping \"%s\" reads",
									message->mapping));
}
