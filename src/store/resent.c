/*-------------------------------------------------------------------------
 *
 * resent.c
 *	  Events that are sent again with another time.
 *
 * The key of the log includes the time.  Where the identity is that of the bytes,
 * the time stands in them.  A CloudEvent, or what a mapping identifies, may be sent
 * again in other bytes: also with another time, if its producer writes the time of
 * sending.  Its call knows the times of its first and its last event; so the event
 * is looked for in the partitions from one to the other, which are one or two.
 *
 * Two of these may be recorded at the same moment, neither seeing the other.  But
 * both are merged into the row of their call, where one waits for the other, and
 * sees it when it looks again after that.
 *
 * What belongs to no call has no such row, and is known by its time as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/bounds.h"
#include "store/keys.h"
#include "store/resent.h"

/* Partitions in which one event is looked for, from the first of its call. */
#define PARTITIONS_MAX 32

static CdrStatement find_spans = {
	.sql = "SELECT c.call_id, c.first_event_time, c.last_event_time"
		   " FROM %2$s JOIN %1$s.calls AS c ON c.call_id = given.c1"
		   " WHERE c.first_event_time IS NOT NULL"
		   " AND c.last_event_time IS NOT NULL",
	.has_rows = true,
	.ncolumns = 1,
	.types = {TEXTOID},
	.is_lookup = true,
};

static CdrStatement find_resent = {
	.sql = "SELECT DISTINCT e.call_id, e.event_id FROM %2$s"
		   " JOIN %1$s.call_events AS e"
		   " ON e.call_id = given.c1 AND e.event_id = given.c2"
		   " AND e.event_time <> given.c3"
		   " WHERE e.event_time >= $2 AND e.event_time < $3",
	.has_rows = true,
	.ncolumns = 3,
	.types = {TEXTOID, UUIDOID, TIMESTAMPTZOID},
	.is_lookup = true,
};

CdrStatement *const cdr_resent_statements[] = {&find_spans, &find_resent,
											   NULL};

/* The table call_events. */
static Oid log_of_resent = InvalidOid;

void
cdr_resent_open(Oid log)
{
	log_of_resent = log;
}

/* Where an event is to be looked for. */
typedef struct Probe
{
	CdrEvent  *event;
	CdrStretch stretch;
} Probe;

/* What is to be looked for, and where. */
typedef struct Search
{
	Probe *probes;
	int	   count;
	int	   size;
} Search;

static int
compare_probes(const void *a, const void *b)
{
	TimestampTz x = ((const Probe *) a)->stretch.from;
	TimestampTz y = ((const Probe *) b)->stretch.from;

	return (x > y) - (x < y);
}

static void
add_probe(Search *search, CdrEvent *event, const CdrStretch *stretch)
{
	if (search->count == search->size)
	{
		search->size = search->size * 2;
		search->probes =
			repalloc_huge(search->probes, search->size * sizeof(Probe));
	}
	search->probes[search->count++] =
		(Probe){.event = event, .stretch = *stretch};
}

/* Has an event looked for in all partitions of its call. */
static void
add_probes(Search *search, CdrEvent *event, TimestampTz first,
		   TimestampTz last)
{
	CdrStretch stretch = {.until = first};

	for (int i = 0; i < PARTITIONS_MAX && stretch.until <= last; i++)
	{
		(void) cdr_bounds_around(log_of_resent, stretch.until, &stretch);
		add_probe(search, event, &stretch);
		/* nothing comes after it */
		if (stretch.until == DT_NOEND)
			return;
	}
}

/* The first event of a call, of some that are sorted by call; or how many. */
static int
first_of_call(CdrEvent **events, int count, const char *call_id)
{
	int below = -1;
	int above = count;

	while (above - below > 1)
	{
		int middle = (below + above) / 2;

		if (strcmp(events[middle]->call_id, call_id) < 0)
			below = middle;
		else
			above = middle;
	}
	return above;
}

/* Where to look for some events, which are sorted by call. */
static void
plan_search(Search *search, CdrEvent **events, int count)
{
	CdrRows *rows = cdr_rows_begin(&find_spans);
	uint64	 nspans;

	for (int i = 0; i < count; i++)
	{
		if (i > 0 && strcmp(events[i]->call_id, events[i - 1]->call_id) == 0)
			continue;
		cdr_row_put_text(rows, 0, events[i]->call_id);
		cdr_row_end(rows);
	}
	cdr_rows_look_up(rows, DT_NOBEGIN, DT_NOEND);
	nspans = SPI_processed;
	for (uint64 row = 0; row < nspans; row++)
	{
		bool		isnull;
		const char *call = TextDatumGetCString(cdr_result(row, 1, &isnull));
		TimestampTz first = DatumGetTimestampTz(cdr_result(row, 2, &isnull));
		TimestampTz last = DatumGetTimestampTz(cdr_result(row, 3, &isnull));

		for (int i = first_of_call(events, count, call);
			 i < count && strcmp(events[i]->call_id, call) == 0; i++)
			add_probes(search, events[i], first, last);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Which of some events does the log hold with another time?  Sorted keys. */
static CdrEventKey *
find_other_times(CdrEvent **events, int count, int *nfound)
{
	Search		 search = {.size = count};
	CdrEventKey *keys;

	search.probes = palloc(count * sizeof(Probe));
	plan_search(&search, events, count);
	qsort(search.probes, search.count, sizeof(Probe), compare_probes);
	keys = palloc(Max(search.count, 1) * sizeof(CdrEventKey));
	*nfound = 0;
	for (int i = 0; i < search.count;)
	{
		CdrRows	  *rows = cdr_rows_begin(&find_resent);
		CdrStretch stretch = search.probes[i].stretch;

		for (;
			 i < search.count && search.probes[i].stretch.from == stretch.from;
			 i++)
		{
			cdr_row_put_text(rows, 0, search.probes[i].event->call_id);
			cdr_row_put_id(rows, 1, &search.probes[i].event->id);
			cdr_row_put_time(rows, 2, search.probes[i].event->time);
			cdr_row_end(rows);
		}
		cdr_rows_look_up(rows, stretch.from, stretch.until);
		cdr_keys_add_result(keys, nfound);
	}
	cdr_sort_keys(keys, *nfound);
	return keys;
}

/* May it have been sent with another time, or with none, which its call would
 * know? */
static bool
may_be_resent(const CdrEvent *event)
{
	const CdrEvent *as_came =
		event->erased != NULL ? event->erased->as_came : event;

	return as_came != NULL && cdr_event_brings_identity(as_came) &&
		   event->call_id[0] != '\0';
}

int
cdr_resent_drop(CdrEvent **events, int count, const bool *repeated)
{
	CdrEvent   **sought = palloc(Max(count, 1) * sizeof(CdrEvent *));
	CdrEventKey *known;
	int			 nsought = 0;
	int			 nknown;
	int			 kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (may_be_resent(events[i]) && (repeated == NULL || repeated[i]))
			sought[nsought++] = events[i];
	}
	if (nsought == 0)
		return count;
	known = find_other_times(sought, nsought, &nknown);
	for (int i = 0; i < count; i++)
	{
		if (!cdr_is_among(events[i], known, nknown))
			events[kept++] = events[i];
	}
	return kept;
}

void
cdr_resent_refuse(CdrEvent **events, int count, bool mostly_new)
{
	CdrEvent **merged = palloc(Max(count, 1) * sizeof(CdrEvent *));

	memcpy(merged, events, count * sizeof(CdrEvent *));
	if (cdr_resent_drop(merged, count, NULL) < count)
		ereport(ERROR,
				(errcode(mostly_new ? ERRCODE_UNIQUE_VIOLATION
									: ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("an event was recorded with another time at the same "
						"moment")));
}
