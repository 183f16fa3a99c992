/*-------------------------------------------------------------------------
 *
 * other_readings.c
 *	  How a message may have been read before.
 *
 * An event is known by its call, its identity and its time.  Call and time are what
 * a mapping says.  So one that was recorded, but not acknowledged, and comes again
 * after a mapping was changed has another key; it is looked for under those that
 * it had by the latest versions of each mapping, and without any.  So is a row that
 * is read again, by the versions of the mapping that it is read by.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "event/mapping.h"
#include "store/event_options.h"
#include "store/other_readings.h"

/* Versions that are tried at most, of all mappings. */
#define READINGS_MAX (CDR_MAPPINGS_MAX * CDR_MAPPINGS_BEFORE)

static bool
has_same_key(const CdrEvent *event, const CdrEvent *other)
{
	return strcmp(event->call_id, other->call_id) == 0 &&
		   memcmp(event->id.data, other->id.data, UUID_LEN) == 0 &&
		   event->time_source == other->time_source &&
		   (event->time == other->time || cdr_event_is_keyed(other));
}

/* Adds what the message says by those mappings, if that is another key. */
static int
add_reading(const CdrEvent *event, const CdrMappingUse *use, CdrEvent **others,
			int count)
{
	CdrEventOptions options = cdr_event_options();
	CdrEvent	   *other = palloc(sizeof(CdrEvent));

	options.mappings = use;
	if (!cdr_event_parse(event->message, &options, other) ||
		has_same_key(event, other))
		return count;
	for (int i = 0; i < count; i++)
	{
		if (has_same_key(others[i], other))
			return count;
	}
	others[count] = other;
	return count + 1;
}

int
cdr_other_readings(const CdrEvent *event, CdrEvent ***others)
{
	const char			*name = event->message->mapping;
	const CdrMappingUse *uses[READINGS_MAX];
	int					 nuses;
	int					 count = 0;

	if (!event->message->redelivered)
		return 0;
	nuses = cdr_mappings_before(name, uses, READINGS_MAX);
	/* of a row, the one that it was read by just now is among them */
	if (nuses == (name != NULL ? 1 : 0))
		return 0;
	*others = palloc((nuses + 1) * sizeof(CdrEvent *));
	if (name == NULL)
		count = add_reading(event, NULL, *others, count);
	for (int i = 0; i < nuses; i++)
		count = add_reading(event, uses[i], *others, count);
	return count;
}
