/*-------------------------------------------------------------------------
 *
 * anew.c
 *	  An event of the log, read anew by the mappings that are in force now.
 *
 * The log has what its events were read by, and not all that came with them: of an
 * event that needed no properties nobody knows the exchange any more.  So an event
 * that a mapping has read is taken to have come from where that mapping says its
 * messages come from.  A row of a backfill says by which mapping it is read, whatever
 * is in force.
 *
 * Times.  A time that does not stand in the body is that with which the event came
 * first, and stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "event/mapping_parts.h"
#include "store/anew.h"
#include "store/event_options.h"
#include "store/row_event.h"

int
cdr_anew_mapping(const CdrCursor *cursor)
{
	bool  isnull;
	Datum id = cdr_cursor_value(cursor, CDR_LOG_MAPPING, &isnull);

	return isnull ? 0 : DatumGetInt32(id);
}

/* The version in force of the mapping that the row in hand was read by; NULL: none
 * is, or it was read by none. */
static const CdrMapping *
successor(const CdrCursor *cursor)
{
	int					 id = cdr_anew_mapping(cursor);
	const char			*name = id != 0 ? cdr_mappings_name(id) : NULL;
	const CdrMappingUse *use = cdr_mappings_in_force();

	for (int i = 0; name != NULL && use != NULL && i < use->set->count; i++)
	{
		if (strcmp(use->set->mappings[i]->id.name, name) == 0)
			return use->set->mappings[i];
	}
	return NULL;
}

CdrMessage *
cdr_message_anew(const CdrCursor *cursor, const char *exchange, bool *is_json)
{
	CdrMessage		 *message = cdr_log_message(cursor, is_json);
	const CdrMapping *mapping = successor(cursor);

	/* where properties were kept, it is known that there was none */
	if (message->exchange != NULL || message->other_properties != NULL)
		return message;
	if (mapping == NULL)
		message->exchange = exchange;
	else if (mapping->exchanges.count > 0)
		message->exchange = mapping->exchanges.words[0];
	return message;
}

/* The times that a message came with, as far as the log has them. */
static void
take_times(const CdrCursor *cursor, CdrMessage *message)
{
	bool		isnull;
	TimestampTz time = DatumGetTimestampTz(
		cdr_cursor_value(cursor, CDR_LOG_EVENT_TIME, &isnull));
	char source =
		DatumGetChar(cdr_cursor_value(cursor, CDR_LOG_TIME_SOURCE, &isnull));

	message->received_at = DatumGetTimestampTz(
		cdr_cursor_value(cursor, CDR_ANEW_RECEIVED_AT, &isnull));
	if (source == CDR_TIME_OF_PROPERTY)
		message->property_time = time;
	/* the first receipt, if it was delivered more than once */
	else if (source == CDR_TIME_OF_RECEIPT)
		message->received_at = time;
}

static int
mapping_of(const CdrEvent *event)
{
	return event->mapping == NULL ? 0 : cdr_mappings_id(event->mapping);
}

/* Reads what was a row, or a message that a broker or a function brought. */
static bool
read_row_or_message(CdrMessage *message, bool is_json, CdrEvent *event)
{
	CdrEventOptions options = cdr_event_options();

	/* it was small enough once */
	options.max_event_size = SIZE_MAX;
	message->mapping = cdr_row_mapping(message->other_properties);
	if (message->mapping != NULL)
		cdr_row_read(message, cdr_mappings_named(message->mapping), &options,
					 event);
	else if (is_json)
		(void) cdr_event_parse_json(message, &options, event);
	else
		(void) cdr_event_parse(message, &options, event);
	return event->reason == NULL;
}

CdrAnewOutcome
cdr_read_anew(const CdrCursor *cursor, const char *exchange, CdrEvent *event)
{
	bool		is_json;
	CdrMessage *message = cdr_message_anew(cursor, exchange, &is_json);
	int			before = cdr_anew_mapping(cursor);

	take_times(cursor, message);
	if (!read_row_or_message(message, is_json, event))
		return CDR_ANEW_REFUSED;
	if (mapping_of(event) == before ||
		(event->mapping == NULL && successor(cursor) == NULL))
		return CDR_ANEW_SAME;
	return CDR_ANEW_OTHER;
}
