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
 * - the log does not hold it.
 *
 * A call of which nothing was retired is not affected: there a late event is
 * new for certain.  Neither is one whose row was deleted, or written anew
 * (prune): what was said of it is forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "store/cursor.h"
#include "store/retired.h"

/*
 * Of some events (calls: $1; identities: $2), one of a call that has counted more
 * events than the log holds, which is itself not held.
 */
#define LATE_EVENT                                                  \
	"SELECT s.event_id FROM unnest($1, $2) AS s(call_id, event_id)" \
	" JOIN ONLY %1$s.calls AS c ON c.call_id = s.call_id"           \
	" WHERE c.event_count > (SELECT count(*)"                       \
	" FROM %1$s.call_events AS e WHERE e.call_id = c.call_id)"      \
	" AND NOT EXISTS (SELECT FROM %1$s.call_events AS e"            \
	" WHERE e.call_id = c.call_id AND e.event_id = s.event_id) LIMIT 1"

/* As the open writer found it. */
static Oid		   log_table;
static char		   log_schema[NAMEDATALEN * 2 + 3];
static TimestampTz recent; /* the partition before that of now begins */
static TimestampTz
	without_gap; /* no gap comes before a partition from here on */

static TimestampTz
bound_at(const PartitionBoundInfo bounds, int i)
{
	switch (bounds->kind[i][0])
	{
		case PARTITION_RANGE_DATUM_MINVALUE:
			return DT_NOBEGIN;
		case PARTITION_RANGE_DATUM_MAXVALUE:
			return DT_NOEND;
		default:
			return DatumGetTimestampTz(bounds->datums[i][0]);
	}
}

/* The number of the first bound after a time. */
static int
bound_after(const PartitionBoundInfo bounds, TimestampTz time)
{
	int low = 0;
	int high = bounds->ndatums;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (bound_at(bounds, middle) > time)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * Is there no partition for a time, but one for a later time?  (indexes[i] is
 * the partition below bound i, or -1.)
 */
static bool
lies_in_gap(const PartitionBoundInfo bounds, TimestampTz time)
{
	int after = bound_after(bounds, time);

	return after < bounds->ndatums && bounds->indexes[after] == -1;
}

static PartitionBoundInfo
partition_bounds(Relation log)
{
	PartitionBoundInfo bounds =
		RelationGetPartitionDesc(log, false)->boundinfo;

	return bounds != NULL && bounds->ndatums > 0 ? bounds : NULL;
}

void
cdr_retired_look(const CdrTables *tables)
{
	Relation log = table_open(tables->table[CDR_CALL_EVENTS], AccessShareLock);
	PartitionBoundInfo bounds = partition_bounds(log);

	log_table = tables->table[CDR_CALL_EVENTS];
	strlcpy(log_schema, tables->quoted, sizeof(log_schema));
	without_gap = recent = DT_NOBEGIN;
	if (bounds != NULL)
	{
		int last = bounds->ndatums - 1;
		int after = bound_after(bounds, GetCurrentTransactionStartTimestamp());

		while (last > 0 && bounds->indexes[last] != -1)
			last--;
		without_gap = bound_at(bounds, last);
		if (after >= 2)
			recent = bound_at(bounds, after - 2);
	}
	table_close(log, NoLock);
}

/* Leaves those that may have been retired, and belong to a call; how many. */
static int
keep_candidates(CdrEvent **events, int count)
{
	Relation		   log = table_open(log_table, AccessShareLock);
	PartitionBoundInfo bounds = partition_bounds(log);
	int				   kept = 0;

	for (int i = 0; bounds != NULL && i < count; i++)
	{
		if (events[i]->call_id[0] != '\0' &&
			(events[i]->time < recent || lies_in_gap(bounds, events[i]->time)))
			events[kept++] = events[i];
	}
	table_close(log, NoLock);
	return kept;
}

/* Returns the first of the events that may be a repetition, or NULL. */
static const CdrEvent *
find_late(CdrEvent **events, int count)
{
	Datum		   *calls = palloc(count * sizeof(Datum));
	Datum		   *ids = palloc(count * sizeof(Datum));
	CdrArguments	arguments = {2, true, {TEXTARRAYOID, UUIDARRAYOID}, {0}};
	CdrCursor		cursor;
	const CdrEvent *late = NULL;

	for (int i = 0; i < count; i++)
	{
		calls[i] = CStringGetTextDatum(events[i]->call_id);
		ids[i] = UUIDPGetDatum(&events[i]->id);
	}
	arguments.values[0] = PointerGetDatum(
		construct_array(calls, count, TEXTOID, -1, false, TYPALIGN_INT));
	arguments.values[1] = PointerGetDatum(
		construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	cdr_cursor_open(&cursor, psprintf(LATE_EVENT, log_schema), &arguments,
					CDR_AS_OF_NOW, 1);
	if (cdr_cursor_next(&cursor) != NULL)
	{
		bool		isnull;
		const void *id = DatumGetUUIDP(cdr_cursor_value(&cursor, 1, &isnull));

		for (int i = 0; late == NULL && i < count; i++)
		{
			if (memcmp(&events[i]->id, id, UUID_LEN) == 0)
				late = events[i];
		}
	}
	cdr_cursor_close(&cursor);
	return late;
}

void
cdr_retired_refuse(CdrEvent **events, int count)
{
	CdrEvent	  **candidates = palloc(Max(count, 1) * sizeof(CdrEvent *));
	const CdrEvent *late = NULL;
	int				ncandidates = 0;

	for (int i = 0; i < count; i++)
	{
		if (events[i]->time < without_gap || events[i]->time < recent)
			candidates[ncandidates++] = events[i];
	}
	if (ncandidates > 0)
		ncandidates = keep_candidates(candidates, ncandidates);
	if (ncandidates > 0)
		late = find_late(candidates, ncandidates);
	pfree(candidates);
	if (late == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("event of call \"%s\" may be a repetition of one that was "
					"retired",
					late->call_id),
			 errdetail("It happened at %s, and call_events holds fewer events "
					   "of the call than were counted.",
					   timestamptz_to_str(late->time)),
			 errhint("Attach the partition again to record it, or discard "
					 "it.")));
}
