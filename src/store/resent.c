/*-------------------------------------------------------------------------
 *
 * resent.c
 *	  Events that are sent again with another time.
 *
 * The key of the log includes the time.  Where the identity is that of the bytes,
 * the time stands in them.  A CloudEvent, or what a mapping identifies, may be sent
 * again in other bytes: also with another time, if its producer writes the time of
 * sending, or with none.  Its call knows the times of its first and its last event; so
 * the event is looked for in the partitions from one to the other, which are one or
 * two, or in those that are nearest to its own time, if a clock that was never set has
 * made them many.
 *
 * Two of these may be recorded at the same moment, neither seeing the other.  But
 * both are merged into the row of their call, where one waits for the other, and
 * sees it when it looks again after that: then the call has counted more events than
 * it had when it was looked for before, and than are merged now.  So of a call that is
 * new, or to which nobody else has added, nothing is looked for again.
 *
 * What belongs to no call has no such row: it has a key (timeless.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/bounds.h"
#include "store/keys.h"
#include "store/resent.h"

/* Partitions in which one event is looked for. */
#define PARTITIONS_MAX 32

static CdrStatement find_spans = {
	.sql =
		"SELECT c.call_id::text, c.first_event_time::timestamptz,"
		" c.last_event_time::timestamptz, c.event_count::bigint FROM %2$s JOIN %1$s.calls AS c ON c.call_id = given.c1",
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

/* Has an event looked for in the partitions of its call, from that of its own time
 * outwards. */
static void
add_probes(Search *search, CdrEvent *event, const CdrCallSpan *span)
{
	CdrStretch before;
	CdrStretch after;
	int		   left = PARTITIONS_MAX;
	bool	   is_before = true;
	bool	   is_after = true;

	(void) cdr_bounds_around(
		log_of_resent, Min(Max(event->time, span->first), span->last), &after);
	before = after;
	add_probe(search, event, &after);
	while (--left > 0 && (is_before || is_after))
	{
		/* nothing comes before infinity, or after it */
		is_before = before.from > span->first && before.from != DT_NOBEGIN;
		is_after = after.until <= span->last && after.until != DT_NOEND;
		if (is_after)
		{
			(void) cdr_bounds_around(log_of_resent, after.until, &after);
			add_probe(search, event, &after);
		}
		if (is_before && (!is_after || --left > 0))
		{
			(void) cdr_bounds_around(log_of_resent, before.from - 1, &before);
			add_probe(search, event, &before);
		}
	}
}

/* Finds out about the calls of some events, which are sorted by call. */
static void
look_for_spans(CdrEvent **events, int count, CdrCallSpans *spans)
{
	CdrRows *rows = cdr_rows_begin(&find_spans);

	for (int i = 0; i < count; i++)
	{
		if (i > 0 && strcmp(events[i]->call_id, events[i - 1]->call_id) == 0)
			continue;
		cdr_row_put_text(rows, 0, events[i]->call_id);
		cdr_row_end(rows);
	}
	cdr_rows_look_up(rows, DT_NOBEGIN, DT_NOEND);
	cdr_call_spans_take(spans);
}

/* Which of some events does the log hold with another time?  Sorted keys. */
static CdrEventKey *
find_other_times(CdrEvent **events, int count, const CdrCallSpans *spans,
				 int *nfound)
{
	Search		 search = {.size = count};
	CdrEventKey *keys;

	search.probes = palloc(count * sizeof(Probe));
	for (int i = 0; i < count; i++)
	{
		const CdrCallSpan *span = cdr_call_span(spans, events[i]->call_id);

		if (span != NULL)
			add_probes(&search, events[i], span);
	}
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

bool
cdr_resent_are_among(CdrEvent **events, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (may_be_resent(events[i]))
			return true;
	}
	return false;
}

int
cdr_resent_drop(CdrEvent **events, int count, const bool *repeated,
				CdrCallSpans *spans)
{
	CdrEvent   **sought = palloc(Max(count, 1) * sizeof(CdrEvent *));
	CdrEventKey *known;
	int			 nsought = 0;
	int			 nknown;
	int			 kept = 0;

	*spans = (CdrCallSpans){0};
	for (int i = 0; i < count; i++)
	{
		if (may_be_resent(events[i]) && (repeated == NULL || repeated[i]))
			sought[nsought++] = events[i];
	}
	if (nsought == 0)
		return count;
	look_for_spans(sought, nsought, spans);
	known = find_other_times(sought, nsought, spans, &nknown);
	for (int i = 0; i < count; i++)
	{
		if (!cdr_is_among(events[i], known, nknown))
			events[kept++] = events[i];
	}
	/* the others of these calls were not looked for */
	if (repeated != NULL)
		*spans = (CdrCallSpans){0};
	return kept;
}

/* Does a call have no events but those that are merged now, and those that it had
 * when all of these were looked for? */
static bool
has_no_others(const CdrCallSpans *before, const CdrCallSpan *span,
			  int64 nmerged)
{
	const CdrCallSpan *then = cdr_call_span(before, span->call_id);

	return span->events == nmerged + (then != NULL ? then->events : 0);
}

/* Those that may be in the log with another time that was not seen before; events are
 * sorted by call. */
static int
choose_sought(CdrEvent **events, int count, const CdrCallSpans *before,
			  const CdrCallSpans *merged, CdrEvent **sought)
{
	int nsought = 0;
	int next;

	for (int i = 0; i < count; i = next)
	{
		const CdrCallSpan *span = cdr_call_span(merged, events[i]->call_id);
		int				   of_call = nsought;

		for (next = i; next < count &&
					   strcmp(events[next]->call_id, events[i]->call_id) == 0;
			 next++)
		{
			if (may_be_resent(events[next]))
				sought[nsought++] = events[next];
		}
		if (span == NULL || has_no_others(before, span, next - i))
			nsought = of_call;
	}
	return nsought;
}

void
cdr_resent_refuse(CdrEvent **events, int count, const CdrCallSpans *before,
				  const CdrCallSpans *merged, bool mostly_new)
{
	CdrEvent **sought = palloc(Max(count, 1) * sizeof(CdrEvent *));
	int		   nsought = choose_sought(events, count, before, merged, sought);
	int		   nknown = 0;

	if (nsought > 0)
		(void) find_other_times(sought, nsought, merged, &nknown);
	if (nknown > 0)
		ereport(ERROR,
				(errcode(mostly_new ? ERRCODE_UNIQUE_VIOLATION
									: ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("an event was recorded with another time at the same "
						"moment")));
}
