/*-------------------------------------------------------------------------
 *
 * retired.c
 *	  Events of a time that the log does not hold any more.
 *
 * A partition that is detached takes the identities of its events with it: one
 * that is repeated later looks like a new event.  What is left is the row of its
 * call, which has counted more events than the log holds.  So an event is
 * refused, and becomes a dead letter, if
 *
 * - there is no partition for its time, but one for a later time, or it is older
 *	 than the partition before that of now (one that was detached may have been
 *	 made again), and
 * - its call has counted more events than the log holds, and
 * - the log did not hold it.
 *
 * That is looked at when the batch is in the log and not yet merged into calls:
 * so what the log holds already costs nothing here.
 *
 * A call of which nothing was retired is not affected: there a late event is
 * new for certain.  Neither is one whose row was deleted, or written anew
 * (prune): what was said of it is forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/bounds.h"
#include "store/cursor.h"
#include "store/retired.h"

/*
 * When the events of some calls ($1) happened; at any time, where functions of this
 * extension made some of them: so their merge_state begins.
 */
#define STRETCH_OF_CALLS                                                \
	"SELECT CASE WHEN inside THEN '-infinity' ELSE first END,"          \
	" CASE WHEN inside THEN 'infinity' ELSE last END"                   \
	" FROM (SELECT min(first_event_time), max(last_event_time),"        \
	" bool_or(merge_state >= decode('02', 'hex')) FROM ONLY %1$s.calls" \
	" WHERE call_id = ANY ($1)) AS c(first, last, inside)"

/*
 * Of some calls ($1) that have so many new events ($2), which the log holds
 * already, one that counts more than the log holds.  All of their events lie
 * between two times, constants to the planner: no other partition is looked at.
 */
#define LATE_CALL                                               \
	"SELECT s.call_id FROM unnest($1, $2) AS s(call_id, fresh)" \
	" JOIN ONLY %1$s.calls AS c ON c.call_id = s.call_id"       \
	" WHERE c.event_count + s.fresh > (SELECT count(*)"         \
	" FROM %1$s.call_events AS e WHERE e.call_id = c.call_id"   \
	" AND e.event_time >= $3 AND e.event_time <= $4) LIMIT 1"

/* As the open writer found it. */
static Oid		   log_table;
static char		   log_schema[NAMEDATALEN * 2 + 3];
static TimestampTz recent; /* the partition before that of now begins */
static TimestampTz
	without_gap; /* no gap comes before a partition from here on */

/* The partition before that of now begins. */
static TimestampTz
find_recent(void)
{
	CdrStretch stretch;

	(void) cdr_bounds_around(log_table, GetCurrentTransactionStartTimestamp(),
							 &stretch);
	if (stretch.from != DT_NOBEGIN)
		(void) cdr_bounds_around(log_table, stretch.from - 1, &stretch);
	return stretch.from;
}

void
cdr_retired_look(const CdrTables *tables)
{
	log_table = tables->table[CDR_CALL_EVENTS];
	strlcpy(log_schema, tables->quoted, sizeof(log_schema));
	without_gap = cdr_bounds_last_gap(log_table);
	recent = find_recent();
}

bool
cdr_retired_time(Oid log, TimestampTz time)
{
	CdrStretch stretch;

	return !cdr_bounds_around(log, time, &stretch) &&
		   stretch.until != DT_NOEND;
}

/* Those that may have been retired, and belong to a call; how many. */
static int
find_candidates(CdrEvent **events, int count, CdrEvent **candidates)
{
	int ncandidates = 0;

	for (int i = 0; i < count; i++)
	{
		TimestampTz time = events[i]->time;

		if (events[i]->call_id[0] != '\0' &&
			cdr_event_from_outside(events[i]) &&
			(time < recent ||
			 (time < without_gap && cdr_retired_time(log_table, time))))
			candidates[ncandidates++] = events[i];
	}
	return ncandidates;
}

/* Calls, each with the number of its events among those of a batch. */
typedef struct Calls
{
	Datum	   *ids;
	Datum	   *fresh;
	int			count;
	TimestampTz from; /* the first of these events */
	TimestampTz to;	  /* and the last */
} Calls;

/* The calls of candidates; all arrays are sorted by call. */
static void
collect_calls(CdrEvent **events, int count, CdrEvent **candidates,
			  int ncandidates, Calls *calls)
{
	int e = 0;

	calls->ids = palloc(ncandidates * sizeof(Datum));
	calls->fresh = palloc(ncandidates * sizeof(Datum));
	calls->count = 0;
	calls->from = DT_NOEND;
	calls->to = DT_NOBEGIN;
	for (int i = 0; i < ncandidates; i++)
	{
		const char *call_id = candidates[i]->call_id;
		int64		fresh = 0;

		if (i > 0 && strcmp(candidates[i - 1]->call_id, call_id) == 0)
			continue;
		for (; e < count && strcmp(events[e]->call_id, call_id) <= 0; e++)
		{
			if (strcmp(events[e]->call_id, call_id) != 0)
				continue;
			calls->from = Min(calls->from, events[e]->time);
			calls->to = Max(calls->to, events[e]->time);
			fresh++;
		}
		calls->ids[calls->count] = CStringGetTextDatum(call_id);
		calls->fresh[calls->count++] = Int64GetDatum(fresh);
	}
}

/*
 * Widens the stretch of time to all that is known of the calls; false if nothing
 * is.
 */
static bool
widen_stretch(Calls *calls, Datum ids)
{
	CdrArguments arguments = {1, true, {TEXTARRAYOID}, {ids}};
	CdrCursor	 cursor;
	bool		 isnull;
	Datum		 first;

	cdr_cursor_open(&cursor, psprintf(STRETCH_OF_CALLS, log_schema),
					&arguments, CDR_AS_OF_NOW, 1);
	(void) cdr_cursor_next(&cursor);
	first = cdr_cursor_value(&cursor, 1, &isnull);
	if (!isnull)
	{
		calls->from = Min(calls->from, DatumGetTimestampTz(first));
		calls->to =
			Max(calls->to,
				DatumGetTimestampTz(cdr_cursor_value(&cursor, 2, &isnull)));
	}
	cdr_cursor_close(&cursor);
	return !isnull;
}

/* Returns the id of a call that lacks events in the log, or NULL. */
static const char *
find_late_call(Calls *calls)
{
	Datum ids = PointerGetDatum(construct_array(
		calls->ids, calls->count, TEXTOID, -1, false, TYPALIGN_INT));
	Datum fresh = PointerGetDatum(
		construct_array(calls->fresh, calls->count, INT8OID, sizeof(int64),
						FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	CdrArguments arguments = {
		4,
		true,
		{TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
		{0}};
	CdrCursor	cursor;
	const char *late = NULL;

	if (!widen_stretch(calls, ids))
		return NULL;
	arguments.values[0] = ids;
	arguments.values[1] = fresh;
	arguments.values[2] = TimestampTzGetDatum(calls->from);
	arguments.values[3] = TimestampTzGetDatum(calls->to);
	cdr_cursor_open(&cursor, psprintf(LATE_CALL, log_schema), &arguments,
					CDR_AS_OF_NOW, 1);
	if (cdr_cursor_next(&cursor) != NULL)
	{
		bool isnull;

		late = TextDatumGetCString(cdr_cursor_value(&cursor, 1, &isnull));
	}
	cdr_cursor_close(&cursor);
	return late;
}

/* Refuses the first candidate of a call. */
static void
refuse_late(CdrEvent **candidates, const char *call_id)
{
	int i = 0;

	while (strcmp(candidates[i]->call_id, call_id) != 0)
		i++;
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("event of call \"%s\" may be a repetition of one that was "
					"retired",
					call_id),
			 errdetail("It happened at %s, and call_events holds fewer events "
					   "of the call than were counted.",
					   timestamptz_to_str(candidates[i]->time)),
			 errhint("Attach the partition again to record it, or discard "
					 "it.")));
}

void
cdr_retired_refuse(CdrEvent **events, int count)
{
	CdrEvent  **candidates = palloc(Max(count, 1) * sizeof(CdrEvent *));
	int			ncandidates = find_candidates(events, count, candidates);
	Calls		calls;
	const char *late = NULL;

	if (ncandidates > 0)
	{
		collect_calls(events, count, candidates, ncandidates, &calls);
		late = find_late_call(&calls);
	}
	if (late != NULL)
		refuse_late(candidates, late);
	pfree(candidates);
}
