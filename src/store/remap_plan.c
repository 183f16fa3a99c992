/*-------------------------------------------------------------------------
 *
 * remap_plan.c
 *	  What becomes of some events of the log that are read anew.
 *
 * By another mapping an event may have another call, time and identity, and these
 * are its key in the log.  So rows move, and then:
 *
 * - Several rows may come to be one event (remap_same.c): one message that was recorded
 *	 by two readings.  The one that was recorded first stays, as it would have if the
 *	 others had come again.
 * - A row may stand where another one goes to, and be another event all the same:
 *	 it goes elsewhere itself.  So what stands in the way is read anew as well, and
 *	 is planned for with the others.
 * - A call may have counted events that the log does not hold any more.  What these
 *	 said cannot be told from what others did, so nothing is taken out of such a
 *	 call, nor put into it: those events are left as they are.
 *
 * Memory.  Of each row its keys and a few texts; bodies are read one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/properties.h"
#include "store/chosen_calls.h"
#include "store/anew.h"
#include "store/mapping_cache.h"
#include "store/remap_plan.h"
#include "store/remap_same.h"

/* Rows that are fetched at a time: each may have a body of 16 MB. */
#define PLAN_PORTION 10

/* The rows of keys ($1, $2, $3).  OFFSET 0: each is looked up by its key. */
#define READ_KEYS                                                  \
	"SELECT e.* FROM unnest($1, $2, $3) AS k(call_id, event_id, "  \
	"event_time), LATERAL (SELECT " CDR_ANEW_EVENT                 \
	" FROM %s.call_events AS e WHERE e.call_id = k.call_id"        \
	" AND e.event_id = k.event_id AND e.event_time = k.event_time" \
	" AND e.time_source <> 'f' AND NOT " CDR_LOG_IS_ERASED " OFFSET 0) AS e"

/* The times that events of calls ($1, $2) came with first. */
#define READ_FIRST_TIMES                                           \
	"SELECT k.n, t.event_time FROM unnest($1, $2) WITH ORDINALITY" \
	" AS k(call_id, event_id, n), LATERAL (SELECT event_time FROM" \
	" %s.timeless_events AS t WHERE t.call_id = k.call_id"         \
	" AND t.event_id = k.event_id OFFSET 0) AS t"

/* Of some calls ($1), those that have counted more events than the log holds. */
#define READ_RETIRED                                                   \
	"SELECT c.call_id::text FROM ONLY %1$s.calls AS c"                 \
	" WHERE c.call_id = ANY ($1) AND c.event_count > (SELECT count(*)" \
	" FROM %1$s.call_events AS e WHERE e.call_id = c.call_id)"         \
	" ORDER BY c.call_id COLLATE \"C\""

static int
compare_sources(const void *a, const void *b)
{
	return cdr_log_key_compare(&((const CdrRemapItem *) a)->from,
							   &((const CdrRemapItem *) b)->from);
}

/* The item of a row, among the first so many, which are sorted by where they are;
 * NULL: there is none. */
static CdrRemapItem *
find_item(const CdrRemapPlan *plan, int sorted, const CdrLogKey *key)
{
	CdrRemapItem sought = {.from = *key};

	return bsearch(&sought, plan->items, sorted, sizeof(CdrRemapItem),
				   compare_sources);
}

/* ------------------------------------------------------------------------
 * Reading rows
 * ------------------------------------------------------------------------
 */

/* The key of the row in hand, in the current context. */
static CdrLogKey
key_of_row(const CdrCursor *cursor)
{
	bool	  isnull;
	CdrLogKey key = {.call_id = cdr_log_text(cursor, CDR_LOG_CALL_ID)};

	key.event_id =
		*DatumGetUUIDP(cdr_cursor_value(cursor, CDR_LOG_EVENT_ID, &isnull));
	key.time = DatumGetTimestampTz(
		cdr_cursor_value(cursor, CDR_LOG_EVENT_TIME, &isnull));
	return key;
}

static const char *
kept(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

/* What the event says that it is now, in the current context. */
static void
take_reading(CdrRemapItem *item, const CdrEvent *event)
{
	item->to = (CdrLogKey){pstrdup(event->call_id), event->id, event->time};
	item->to_source = event->time_source;
	item->own_time = event->time;
	item->to_mapping =
		event->mapping == NULL ? 0 : cdr_mappings_id(event->mapping);
	item->event_type = kept(event->type);
	item->trace_id = kept(event->trace_id);
	item->tenant_id = kept(event->tenant_id);
	/* those that were kept stay as they are */
	if (event->needs_properties && event->message->other_properties == NULL)
		item->properties = cdr_needed_properties_json(event->message);
	item->fate = CDR_REMAP_MOVES;
}

static CdrRemapItem *
add_item(CdrRemapPlan *plan)
{
	if (plan->count >= CDR_REMAP_PLAN_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("events that are to move stand in each other's way, "
						"more than %d of them",
						CDR_REMAP_PLAN_MAX),
				 errhint("Look at \"identity\" in the mappings: different "
						 "events take turns in their identities.")));
	if (plan->count == plan->size)
	{
		plan->size *= 2;
		plan->items = repalloc(plan->items, plan->size * sizeof(CdrRemapItem));
	}
	plan->items[plan->count] = (CdrRemapItem){0};
	return &plan->items[plan->count++];
}

static void
plan_row(CdrRemapPlan *plan, const CdrCursor *cursor, bool asked)
{
	MemoryContext  outer = MemoryContextSwitchTo(plan->scratch);
	CdrEvent	   event;
	CdrAnewOutcome outcome = cdr_read_anew(cursor, plan->exchange, &event);
	CdrRemapItem  *item;
	Datum		   recorded_at;
	bool		   isnull;

	MemoryContextSwitchTo(outer);
	item = add_item(plan);
	item->asked = asked;
	item->from = item->to = key_of_row(cursor);
	item->own_time = item->from.time;
	item->from_source = item->to_source =
		DatumGetChar(cdr_cursor_value(cursor, CDR_LOG_TIME_SOURCE, &isnull));
	item->from_mapping = item->to_mapping = cdr_anew_mapping(cursor);
	recorded_at = cdr_cursor_value(cursor, CDR_ANEW_RECORDED_AT, &isnull);
	/* tables of old have none, and have those events for long */
	item->recorded_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(recorded_at);
	if (outcome == CDR_ANEW_OTHER)
		take_reading(item, &event);
	else if (outcome == CDR_ANEW_REFUSED)
	{
		item->fate = CDR_REMAP_LEFT;
		item->why = pstrdup(event.reason->message);
	}
	/* what the row was read by, if it stays */
	event.id = item->to.event_id;
	item->brings_identity = cdr_event_brings_identity(&event);
	MemoryContextReset(plan->scratch);
}

/* Adds the rows of keys, but for those that are there: those before the first so
 * many, sorted. */
static void
add_rows(CdrRemapPlan *plan, const CdrLogKey *keys, int count, bool asked)
{
	CdrArguments arguments = cdr_log_key_arguments(keys, count, 3);
	int			 known = plan->count;
	CdrCursor	 cursor;

	cdr_cursor_open(&cursor, psprintf(READ_KEYS, plan->tables->quoted),
					&arguments, CDR_AS_OF_NOW, PLAN_PORTION);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		CdrLogKey key = key_of_row(&cursor);

		CHECK_FOR_INTERRUPTS();
		if (find_item(plan, known, &key) == NULL)
			plan_row(plan, &cursor, asked);
	}
	cdr_cursor_close(&cursor);
}

/* ------------------------------------------------------------------------
 * Times of first receipt
 * ------------------------------------------------------------------------
 */

static bool
needs_first_time(const CdrRemapItem *item)
{
	/* what is known by its identity has the time of its first row */
	return item->fate == CDR_REMAP_MOVES &&
		   cdr_remap_is_timeless(item->to_source) &&
		   !cdr_remap_is_of_no_call(item);
}

/* Gives events without a time of their own that which their keys have. */
static void
adopt_first_times(CdrRemapPlan *plan)
{
	CdrLogKey	*keys = palloc(plan->count * sizeof(CdrLogKey));
	int			*places = palloc(plan->count * sizeof(int));
	int			 count = 0;
	CdrArguments arguments;
	CdrCursor	 cursor;

	for (int i = 0; i < plan->count; i++)
	{
		if (needs_first_time(&plan->items[i]))
		{
			places[count] = i;
			keys[count++] = plan->items[i].to;
		}
	}
	if (count == 0)
		return;
	arguments = cdr_log_key_arguments(keys, count, 2);
	cdr_cursor_open(&cursor, psprintf(READ_FIRST_TIMES, plan->tables->quoted),
					&arguments, CDR_AS_OF_NOW, CDR_REMAP_SLICE);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		bool		  isnull;
		int64		  n = DatumGetInt64(cdr_cursor_value(&cursor, 1, &isnull));
		CdrRemapItem *item = &plan->items[places[n - 1]];

		item->to.time =
			DatumGetTimestampTz(cdr_cursor_value(&cursor, 2, &isnull));
		item->has_time = true;
	}
	cdr_cursor_close(&cursor);
}

/* Does the row of the event have the key of where it goes? */
static bool
has_own_key(const CdrRemapItem *item)
{
	return cdr_remap_is_timeless(item->from_source) &&
		   memcmp(&item->to.event_id, &item->from.event_id, UUID_LEN) == 0 &&
		   strcmp(item->to.call_id, item->from.call_id) == 0;
}

static int
compare_receipts(const void *a, const void *b)
{
	const CdrRemapItem *x = *(CdrRemapItem *const *) a;
	const CdrRemapItem *y = *(CdrRemapItem *const *) b;
	int					order = strcmp(x->to.call_id, y->to.call_id);

	if (order == 0)
		order = memcmp(&x->to.event_id, &y->to.event_id, UUID_LEN);
	if (order == 0)
		order = (x->recorded_at > y->recorded_at) -
				(x->recorded_at < y->recorded_at);
	return order != 0 ? order : cdr_log_key_compare(&x->from, &y->from);
}

/* Gives rows of one event, sorted by when they were recorded, the time of the first;
 * but that of a key whose row is no longer there. */
static void
share_time(CdrRemapItem **items, int count)
{
	TimestampTz time =
		items[0]->has_time ? items[0]->to.time : items[0]->own_time;

	for (int i = 0; i < count; i++)
	{
		if (has_own_key(items[i]))
			time = items[0]->own_time;
	}
	for (int i = 0; i < count; i++)
		items[i]->to.time = time;
}

/* Events without a time of their own, by call and identity, are the same. */
static void
share_first_times(CdrRemapPlan *plan)
{
	CdrRemapItem **items = palloc(plan->count * sizeof(CdrRemapItem *));
	int			   count = 0;
	int			   first = 0;

	for (int i = 0; i < plan->count; i++)
	{
		if (plan->items[i].fate != CDR_REMAP_LEFT &&
			cdr_remap_is_timeless(plan->items[i].to_source))
			items[count++] = &plan->items[i];
	}
	qsort(items, count, sizeof(CdrRemapItem *), compare_receipts);
	for (int i = 1; i <= count; i++)
	{
		if (i < count &&
			memcmp(&items[i]->to.event_id, &items[first]->to.event_id,
				   UUID_LEN) == 0 &&
			strcmp(items[i]->to.call_id, items[first]->to.call_id) == 0)
			continue;
		share_time(items + first, i - first);
		first = i;
	}
}

/* ------------------------------------------------------------------------
 * What stands in the way, and what cannot go
 * ------------------------------------------------------------------------
 */

/* Adds the rows that are where the items from one on go to. */
static void
add_those_in_way(CdrRemapPlan *plan, const CdrLogKey *targets, int count)
{
	qsort(plan->items, plan->count, sizeof(CdrRemapItem), compare_sources);
	add_rows(plan, targets, count, false);
}

/* Where items go that were added since there were so many, each place once; and
 * where the log has the same events, although their times are others. */
static CdrLogKey *
targets_since(const CdrRemapPlan *plan, int known, int *count)
{
	CdrLogKey *targets =
		palloc(Max(plan->count - known, 1) * sizeof(CdrLogKey));

	*count = 0;
	for (int i = known; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];

		if (item->fate == CDR_REMAP_MOVES &&
			cdr_log_key_compare(&item->from, &item->to) != 0)
			targets[(*count)++] = item->to;
	}
	targets =
		cdr_remap_add_other_times(plan->tables->quoted, plan->items + known,
								  plan->count - known, targets, count);
	*count = cdr_log_keys_sort(targets, *count);
	return targets;
}

/* The calls of items that move, an array of text. */
static Datum
calls_of_plan(const CdrRemapPlan *plan)
{
	Datum	 *ids = palloc(plan->count * 2 * sizeof(Datum));
	int		  count = 0;
	CdrChoice choice;

	for (int i = 0; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];

		if (item->fate == CDR_REMAP_STAYS)
			continue;
		ids[count++] = CStringGetTextDatum(item->from.call_id);
		ids[count++] = CStringGetTextDatum(item->to.call_id);
	}
	choice = cdr_choice_of_ids(ids, count);
	return cdr_text_array(choice.ids, choice.nids);
}

static void
leave(CdrRemapItem *item, const char *why)
{
	if (item->fate != CDR_REMAP_MOVES)
		return;
	item->fate = CDR_REMAP_LEFT;
	item->why = why;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Leaves what belongs to calls that have counted more than the log holds. */
static void
leave_retired(CdrRemapPlan *plan)
{
	CdrArguments arguments = {1, true, {TEXTARRAYOID}, {0}};
	const char **calls = palloc(plan->count * 2 * sizeof(char *));
	int			 count = 0;
	CdrCursor	 cursor;

	arguments.values[0] = calls_of_plan(plan);
	cdr_cursor_open(&cursor, psprintf(READ_RETIRED, plan->tables->quoted),
					&arguments, CDR_AS_OF_NOW, CDR_REMAP_SLICE);
	while (cdr_cursor_next(&cursor) != NULL)
		calls[count++] = cdr_log_text(&cursor, 1);
	cdr_cursor_close(&cursor);
	for (int i = 0; count > 0 && i < plan->count; i++)
	{
		CdrRemapItem *item = &plan->items[i];
		const char	 *from = item->from.call_id;
		const char	 *to = item->to.call_id;

		if (bsearch(&from, calls, count, sizeof(char *), compare_texts) ||
			bsearch(&to, calls, count, sizeof(char *), compare_texts))
			leave(item, "its call has counted events that the log does not "
						"hold");
	}
}

/*
 * Leaves what would go to where another event is left; items are sorted by where
 * they are.  What is left stands in the way of others again.
 */
static void
leave_blocked(CdrRemapPlan *plan)
{
	bool again = true;

	while (again)
	{
		again = false;
		for (int i = 0; i < plan->count; i++)
		{
			CdrRemapItem *item = &plan->items[i];
			CdrRemapItem *there;

			if (item->fate != CDR_REMAP_MOVES)
				continue;
			there = find_item(plan, plan->count, &item->to);
			if (there == NULL || there->fate != CDR_REMAP_LEFT ||
				cdr_log_key_compare(&there->from, &there->to) == 0)
				continue;
			leave(item, "another event is in its place, and is left there");
			again = true;
		}
	}
}

/* Marks the rows that stand where another goes to. */
static void
mark_those_in_way(CdrRemapPlan *plan)
{
	for (int i = 0; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];
		CdrRemapItem	   *there;

		if (item->fate != CDR_REMAP_MOVES)
			continue;
		there = find_item(plan, plan->count, &item->to);
		if (there != NULL && there != item && there->fate == CDR_REMAP_MOVES)
			there->in_way = true;
	}
}

/* What is left stays where it is, whatever it would be. */
static void
stay_put(CdrRemapPlan *plan)
{
	for (int i = 0; i < plan->count; i++)
	{
		CdrRemapItem *item = &plan->items[i];

		if (item->fate == CDR_REMAP_LEFT)
			item->to = item->from;
	}
}

CdrRemapPlan *
cdr_remap_plan(const CdrTables *tables, const char *exchange,
			   const CdrLogKey *keys, int count)
{
	CdrRemapPlan *plan = palloc0(sizeof(CdrRemapPlan));
	CdrLogKey	 *targets;
	int			  known = 0;

	plan->tables = tables;
	plan->exchange = exchange;
	plan->size = Max(count, 1) * 2;
	plan->items = palloc(plan->size * sizeof(CdrRemapItem));
	plan->scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service event", ALLOCSET_DEFAULT_SIZES);
	add_rows(plan, keys, count, true);
	while (plan->count > known)
	{
		adopt_first_times(plan);
		targets = targets_since(plan, known, &count);
		known = plan->count;
		add_those_in_way(plan, targets, count);
	}
	MemoryContextDelete(plan->scratch);

	leave_retired(plan);
	share_first_times(plan);
	leave_blocked(plan);
	stay_put(plan);
	mark_those_in_way(plan);
	cdr_remap_find_repetitions(plan->items, plan->count);
	return plan;
}
