/*-------------------------------------------------------------------------
 *
 * remap_same.c
 *	  Which events are one, when they are read anew.
 *
 * Those that have one key.  And, as when events are recorded (resent.c, timeless.c),
 * those that bring one identity to one call, or to none, whatever their times: of these, the one that was
 * recorded first stays, with its own time, and one that brings no identity is told
 * apart by its time.
 *
 * When events are recorded, they are looked for where their call has events.  Here
 * the calls are not yet what they will be, so all of the log is searched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/cursor.h"
#include "store/log_event.h"
#include "store/remap_same.h"

/* Keys that are fetched at a time. */
#define SAME_PORTION 1000

/* The times at which the log has events of calls ($1, $2). */
#define READ_OTHER_TIMES                                                               \
	"SELECT k.n, e.event_time FROM unnest($1, $2) WITH ORDINALITY"                     \
	" AS k(call_id, event_id, n), LATERAL (SELECT event_time FROM"                     \
	" %s.call_events AS e WHERE e.call_id = k.call_id"                                 \
	" AND e.event_id = k.event_id AND e.time_source <> 'f' AND NOT " CDR_LOG_IS_ERASED \
	" OFFSET 0) AS e"

/* May it be the same event as one of another time? */
static bool
is_known_by_identity(const CdrRemapItem *item)
{
	return item->brings_identity && item->fate != CDR_REMAP_LEFT;
}

CdrLogKey *
cdr_remap_add_other_times(const char *schema, const CdrRemapItem *items,
						  int nitems, CdrLogKey *keys, int *count)
{
	CdrLogKey	*sought = palloc(Max(nitems, 1) * sizeof(CdrLogKey));
	int			 nsought = 0;
	int			 size = *count;
	CdrArguments arguments;
	CdrCursor	 cursor;

	for (int i = 0; i < nitems; i++)
	{
		if (items[i].fate != CDR_REMAP_MOVES ||
			!is_known_by_identity(&items[i]))
			continue;
		sought[nsought] = items[i].to;
		/* each once */
		sought[nsought++].time = 0;
	}
	if (nsought == 0)
		return keys;
	nsought = cdr_log_keys_sort(sought, nsought);
	arguments = cdr_log_key_arguments(sought, nsought, 2);
	cdr_cursor_open(&cursor, psprintf(READ_OTHER_TIMES, schema), &arguments,
					CDR_AS_OF_NOW, SAME_PORTION);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		bool  isnull;
		int64 n = DatumGetInt64(cdr_cursor_value(&cursor, 1, &isnull));

		if (*count >= size)
		{
			size = Max(size, 16) * 2;
			keys = repalloc(keys, size * sizeof(CdrLogKey));
		}
		keys[*count] = sought[n - 1];
		keys[(*count)++].time =
			DatumGetTimestampTz(cdr_cursor_value(&cursor, 2, &isnull));
	}
	cdr_cursor_close(&cursor);
	return keys;
}

/* Of what was recorded at one moment, the order does not matter, but is one. */
static int
compare_recordings(const CdrRemapItem *x, const CdrRemapItem *y)
{
	int order =
		(x->recorded_at > y->recorded_at) - (x->recorded_at < y->recorded_at);

	return order != 0 ? order : cdr_log_key_compare(&x->from, &y->from);
}

static int
compare_events_of_calls(const CdrRemapItem *x, const CdrRemapItem *y)
{
	int order = strcmp(x->to.call_id, y->to.call_id);

	return order != 0 ? order
					  : memcmp(&x->to.event_id, &y->to.event_id, UUID_LEN);
}

/* Of one event of a call, what was recorded first goes first; what is left where it
 * is goes last. */
static int
compare_identities(const void *a, const void *b)
{
	const CdrRemapItem *x = a;
	const CdrRemapItem *y = b;
	int					order = compare_events_of_calls(x, y);

	if (order == 0)
		order = (x->fate == CDR_REMAP_LEFT) - (y->fate == CDR_REMAP_LEFT);
	return order != 0 ? order : compare_recordings(x, y);
}

/* Of one key, the one that was recorded first goes first. */
static int
compare_targets(const void *a, const void *b)
{
	const CdrRemapItem *x = a;
	const CdrRemapItem *y = b;
	int					order = cdr_log_key_compare(&x->to, &y->to);

	return order != 0 ? order : compare_recordings(x, y);
}

/* Of events that bring their identity, all but the first; whatever their times. */
static void
find_resent_items(CdrRemapItem *items, int count)
{
	CdrRemapItem *first = NULL;

	qsort(items, count, sizeof(CdrRemapItem), compare_identities);
	for (int i = 0; i < count; i++)
	{
		if (first == NULL || compare_events_of_calls(first, &items[i]) != 0)
			first = &items[i];
		else if (is_known_by_identity(&items[i]))
			items[i].fate = CDR_REMAP_REPEATS;
	}
}

void
cdr_remap_find_repetitions(CdrRemapItem *items, int count)
{
	CdrRemapItem *first = NULL;

	find_resent_items(items, count);
	qsort(items, count, sizeof(CdrRemapItem), compare_targets);
	for (int i = 0; i < count; i++)
	{
		CdrRemapItem *item = &items[i];

		if (item->fate == CDR_REMAP_REPEATS)
			continue;
		if (first == NULL || cdr_log_key_compare(&first->to, &item->to) != 0)
			first = item;
		else
			item->fate = CDR_REMAP_REPEATS;
	}
}
