/*-------------------------------------------------------------------------
 *
 * timeless.c
 *	  The table timeless_events: the keys of events that may come again with
 *	  another time.
 *
 * The key of the log includes the time, because PostgreSQL asks that of a
 * partitioned table.  An event whose time is that of receipt, or an AMQP
 * property, comes again with another one; and one that brings its identity may.
 * Of the latter, those of a call are looked for where that has events (resent.c).
 * Of all the others call and identity are kept
 * here, in a table that is not partitioned, with the time that it came with
 * first.  When it comes again it gets that time, and is from there on like any
 * other event: whether it is recorded, the log says, in one partition.  A key
 * whose event is no longer in the log, or never was, costs nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/keys.h"
#include "store/timeless.h"

static CdrStatement enter_keys = {
	.sql = "WITH fresh AS (INSERT INTO %1$s.timeless_events"
		   " (call_id, event_id, event_time) SELECT * FROM %2$s"
		   " ON CONFLICT DO NOTHING RETURNING call_id, event_id)"
		   " SELECT call_id, event_id FROM fresh",
	.has_rows = true,
	.ncolumns = 3,
	.types = {TEXTOID, UUIDOID, TIMESTAMPTZOID},
};

static CdrStatement find_keys = {
	.sql = "SELECT k.call_id, k.event_id, k.event_time FROM %2$s"
		   " JOIN %1$s.timeless_events AS k"
		   " ON k.call_id = given.c1 AND k.event_id = given.c2",
	.has_rows = true,
	.ncolumns = 3,
	.types = {TEXTOID, UUIDOID, TIMESTAMPTZOID},
	.is_lookup = true,
};

CdrStatement *const cdr_timeless_statements[] = {&enter_keys, &find_keys,
												 NULL};

static CdrRows *
key_rows(CdrStatement *statement, CdrEvent **events, int count)
{
	CdrRows *rows = cdr_rows_begin(statement);

	for (int i = 0; i < count; i++)
	{
		cdr_row_put_text(rows, 0, events[i]->call_id);
		cdr_row_put_id(rows, 1, &events[i]->id);
		cdr_row_put_time(rows, 2, events[i]->time);
		cdr_row_end(rows);
	}
	return rows;
}

static int
compare_keys(const void *a, const void *b)
{
	const CdrEvent *x = *(CdrEvent *const *) a;
	const CdrEvent *y = *(CdrEvent *const *) b;

	int result = memcmp(x->id.data, y->id.data, UUID_LEN);

	return result != 0 ? result : strcmp(x->call_id, y->call_id);
}

/* The event with a key out of some that are sorted by it, or NULL. */
static CdrEvent *
event_of(const char *call_id, const pg_uuid_t *id, CdrEvent **events,
		 int count)
{
	CdrEvent   key = {.call_id = call_id, .id = *id};
	CdrEvent  *sought = &key;
	CdrEvent **found =
		bsearch(&sought, events, count, sizeof(CdrEvent *), compare_keys);

	return found ? *found : NULL;
}

/* Gives events that are there the times that they came with first; how many. */
static int
find_first_times(CdrEvent **events, int count)
{
	uint64 found;

	qsort(events, count, sizeof(CdrEvent *), compare_keys);
	cdr_rows_look_up(key_rows(&find_keys, events, count), DT_NOBEGIN,
					 DT_NOEND);
	found = SPI_processed;
	for (uint64 row = 0; row < found; row++)
	{
		bool	  isnull;
		CdrEvent *event = event_of(
			TextDatumGetCString(cdr_result(row, 1, &isnull)),
			DatumGetUUIDP(cdr_result(row, 2, &isnull)), events, count);

		if (event != NULL)
			event->time = DatumGetTimestampTz(cdr_result(row, 3, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return (int) found;
}

/* The same, of events that were all there already. */
static void
take_first_times(CdrEvent **events, int count)
{
	/* as if it were an event that is refused: if not, it will work next time */
	if (find_first_times(events, count) != count)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("a trigger has dropped keys of events, or they "
							   "were deleted at this moment")));
}

void
cdr_timeless_claim(CdrEvent **events, int count, bool *repeated)
{
	CdrEvent   **timeless = palloc(Max(count, 1) * sizeof(CdrEvent *));
	int			 ntimeless = 0;
	int			 nrepeated = 0;
	CdrEventKey *fresh;
	int			 nfresh;

	for (int i = 0; i < count; i++)
	{
		if (cdr_event_is_keyed(events[i]))
			timeless[ntimeless++] = events[i];
	}
	if (ntimeless == 0)
		return;
	cdr_rows_execute(key_rows(&enter_keys, timeless, ntimeless),
					 SPI_OK_SELECT);
	fresh = cdr_result_keys(&nfresh);
	for (int i = 0; i < count; i++)
	{
		if (!cdr_event_is_keyed(events[i]) ||
			cdr_is_among(events[i], fresh, nfresh))
			continue;
		timeless[nrepeated++] = events[i];
		repeated[i] = true;
	}
	if (nrepeated > 0)
		take_first_times(timeless, nrepeated);
}

int
cdr_timeless_find(CdrEvent **events, int count)
{
	int kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (!cdr_event_is_keyed(events[i]) ||
			find_first_times(&events[i], 1) == 1)
			events[kept++] = events[i];
	}
	return kept;
}
