/*-------------------------------------------------------------------------
 *
 * call_events.c
 *	  The table call_events: the log, one row for each distinct event.
 *
 * Almost always all of a batch is new.  So the worker looks up only what may
 * have come before (recent.c, or the broker says so), and inserts the rest as
 * if it were new, which searches the unique index once for each event and not
 * twice; the index finds out if one is not, and then the batch is stored with
 * ON CONFLICT.
 *
 * The key holds the time: so what is looked up is sought in the partition of its
 * time alone, and how many others there are does not matter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/properties.h"
#include "store/bounds.h"
#include "store/call_events.h"
#include "store/erased.h"
#include "store/keys.h"
#include "store/mapping_cache.h"
#include "store/other_readings.h"
#include "store/recent.h"
#include "store/recording.h"
#include "store/resent.h"
#include "store/timeless.h"
#include "store/unsealed.h"

#define INSERT_EVENTS(more)                                       \
	"INSERT INTO %1$s.call_events"                                \
	" (event_time, received_at, recorded_at, event_id, call_id,"  \
	" event_type, trace_id, tenant_id, routing_key, time_source," \
	" message_id, content_type, headers, properties, mapping,"    \
	" salt, payload, body" more ") SELECT * FROM %2$s"
#define INSERT_UNKNOWN_EVENTS(more)                               \
	"WITH fresh AS (" INSERT_EVENTS(more) " ON CONFLICT"          \
										  " DO NOTHING RETURNING" \
										  " call_id, event_id)"   \
										  " SELECT call_id,"      \
										  " event_id FROM fresh"
#define EVENT_TYPES                                                     \
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDOID, TEXTOID,   \
		TEXTOID, TEXTOID, TEXTOID, TEXTOID, CHAROID, BYTEAOID, TEXTOID, \
		JSONOID, JSONOID, INT4OID, UUIDOID, JSONOID, BYTEAOID

/* The columns of an event, and of one among which some are erased. */
#define NCOLUMNS		18
#define NCOLUMNS_ERASED (NCOLUMNS + 1)

/* Hints of one batch that are enough to judge them all by. */
#define HINTS_JUDGED 100

/* What was new is matched as a set: nobody promises an order. */
static CdrStatement insert_events = {
	.sql = INSERT_UNKNOWN_EVENTS(""),
	.has_rows = true,
	.ncolumns = NCOLUMNS,
	.types = {EVENT_TYPES},
};
static CdrStatement insert_erased_events = {
	.sql = INSERT_UNKNOWN_EVENTS(", content_digest"),
	.has_rows = true,
	.ncolumns = NCOLUMNS_ERASED,
	.types = {EVENT_TYPES, BYTEAOID},
};

/* For events that are all new, as almost all are: looks nothing up. */
static CdrStatement insert_new_events = {
	.sql = INSERT_EVENTS(""),
	.has_rows = true,
	.ncolumns = NCOLUMNS,
	.types = {EVENT_TYPES},
};
static CdrStatement insert_new_erased_events = {
	.sql = INSERT_EVENTS(", content_digest"),
	.has_rows = true,
	.ncolumns = NCOLUMNS_ERASED,
	.types = {EVENT_TYPES, BYTEAOID},
};

/* By the first columns of the key: an index that begins with the time would lead
 * through many events.  The stretch is there for the choice of partitions. */
/* Each once: what a producer tells apart by times alone may stand there often. */
static CdrStatement find_events = {
	.sql =
		"SELECT DISTINCT e.call_id, e.event_id FROM %2$s JOIN %1$s.call_events AS e"
		" ON e.call_id = given.c1 AND e.event_id = given.c2"
		" WHERE e.event_time >= $2 AND e.event_time < $3",
	.has_rows = true,
	.ncolumns = 2,
	.types = {TEXTOID, UUIDOID},
	.is_lookup = true,
};

CdrStatement *const cdr_call_events_statements[] = {
	&insert_events,		&insert_erased_events,
	&insert_new_events, &insert_new_erased_events,
	&find_events,		NULL};

/* The table, for its bounds. */
static Oid log_table = InvalidOid;

void
cdr_call_events_open(Oid table)
{
	log_table = table;
}

static int
compare_times(const void *a, const void *b)
{
	const CdrEvent *x = *(CdrEvent *const *) a;
	const CdrEvent *y = *(CdrEvent *const *) b;

	return (x->time > y->time) - (x->time < y->time);
}

/*
 * Looks for the first of some events, which are sorted by time, and for those
 * that lie in the same stretch.  Adds the keys of those that the log holds to
 * some, of which there are *nkeys; returns how many events it has looked for.
 */
static int
find_in_stretch(CdrEvent **events, int count, CdrEventKey *keys, int *nkeys)
{
	CdrRows	  *rows = cdr_rows_begin(&find_events);
	CdrStretch stretch;
	int		   sought = 0;

	(void) cdr_bounds_around(log_table, events[0]->time, &stretch);
	/* the first in any case: nothing ends after infinity */
	for (; sought == 0 ||
		   (sought < count && events[sought]->time < stretch.until);
		 sought++)
	{
		cdr_row_put_text(rows, 0, events[sought]->call_id);
		cdr_row_put_id(rows, 1, &events[sought]->id);
		cdr_row_end(rows);
	}
	cdr_rows_look_up(rows, stretch.from, stretch.until);
	cdr_keys_add_result(keys, nkeys);
	return sought;
}

/* Which of some events does the log hold?  Returns their sorted keys. */
static CdrEventKey *
find_recorded(CdrEvent **events, int count, int *nfound)
{
	CdrEvent   **by_time = palloc(Max(count, 1) * sizeof(CdrEvent *));
	CdrEventKey *keys = palloc(Max(count, 1) * sizeof(CdrEventKey));

	*nfound = 0;
	memcpy(by_time, events, count * sizeof(CdrEvent *));
	qsort(by_time, count, sizeof(CdrEvent *), compare_times);
	for (int i = 0; i < count;)
		i += find_in_stretch(by_time + i, count - i, keys, nfound);
	cdr_sort_keys(keys, *nfound);
	return keys;
}

/*
 * Tells of hints of which most were wrong, as after the log was truncated or a
 * transaction rolled back: then they cost more than they give.
 */
static void
judge_hints(CdrEvent **events, int count, int hinted, int wrong)
{
	if (hinted < HINTS_JUDGED || wrong * 2 < hinted)
		return;
	cdr_recent_forget();
	for (int i = 0; i < count; i++)
		(void) cdr_recent_repeats(&events[i]->id);
}

/*
 * Drops events that may have come before, and that were recorded then
 * under another key: that of another version of a mapping.
 */
static int
drop_read_otherwise(CdrEvent **events, int count)
{
	int		   kept = 0;
	CdrEvent **others;
	int		   nothers;
	int		   nknown = 0;

	for (int i = 0; i < count; i++)
	{
		nothers = cdr_other_readings(events[i], &others);
		if (nothers > 0)
			nothers = cdr_timeless_find(others, nothers);
		if (nothers > 0)
			(void) find_recorded(others, nothers, &nknown);
		if (nothers == 0 || nknown == 0)
			events[kept++] = events[i];
	}
	return kept;
}

int
cdr_call_events_drop_known(CdrEvent **events, int count, bool mostly_new,
						   CdrCallSpans *spans, bool *may_be_known)
{
	CdrEvent   **sought = palloc(Max(count, 1) * sizeof(CdrEvent *));
	bool		*repeated = palloc0(Max(count, 1) * sizeof(bool));
	int			 nsought = 0;
	int			 nhinted = 0;
	CdrEventKey *known;
	int			 nknown;
	int			 kept = 0;

	*spans = (CdrCallSpans){0};
	count = drop_read_otherwise(events, count);
	cdr_timeless_claim(events, count, repeated);
	for (int i = 0; i < count; i++)
	{
		bool hinted = cdr_recent_repeats(&events[i]->id);

		repeated[i] |= hinted || events[i]->message->redelivered;
		if (repeated[i])
			sought[nsought++] = events[i];
		nhinted += hinted;
	}
	*may_be_known = nsought > 0;
	if (!mostly_new)
		return cdr_resent_drop(events, count, NULL, spans);
	if (nsought == 0)
		return count;

	known = find_recorded(sought, nsought, &nknown);
	judge_hints(events, count, nhinted, nsought - nknown);
	for (int i = 0; i < count; i++)
	{
		if (!cdr_is_among(events[i], known, nknown))
		{
			repeated[kept] = repeated[i];
			events[kept++] = events[i];
		}
	}
	return cdr_resent_drop(events, kept, repeated, spans);
}

static Datum
mapping_id(const CdrEvent *event)
{
	return event->mapping == NULL
			   ? (Datum) 0
			   : Int32GetDatum(cdr_mappings_id(event->mapping));
}

/* What an event says, and who brought it how. */
static void
put_content(CdrRows *rows, const CdrEvent *event, const CdrMark *mark,
			const char *headers, const char *properties)
{
	const CdrMessage *message = event->message;
	Datum			  body = PointerGetDatum(
					cstring_to_text_with_len(message->body, (int) message->body_length));

	cdr_row_put_text(rows, 6, event->trace_id);
	cdr_row_put_text(rows, 8, message->routing_key);
	cdr_row_put_bytes(rows, 10, message->message_id,
					  message->message_id_length);
	cdr_row_put_text(rows, 11, message->content_type);
	cdr_row_put_text(rows, 12, headers);
	cdr_row_put_text(rows, 13, properties);
	cdr_row_put_id(rows, 15, &mark->salt);
	cdr_row_put(rows, 16, body, !event->is_json);
	cdr_row_put(rows, 17, body, event->is_json);
	if (rows->statement->ncolumns > NCOLUMNS)
		cdr_row_put(rows, NCOLUMNS, (Datum) 0, true);
}

/* What stands for that of an event that is erased. */
static void
put_digest(CdrRows *rows, const CdrEvent *event)
{
	static const int gone[] = {6, 8, 10, 11, 12, 13, 15, 16, 17};

	for (int i = 0; i < (int) lengthof(gone); i++)
		cdr_row_put(rows, gone[i], (Datum) 0, true);
	cdr_row_put_bytes(rows, NCOLUMNS,
					  (const char *) event->erased->content.data,
					  sizeof(CdrDigest));
}

static CdrRows *
event_rows(CdrStatement *statement, CdrEvent **events, int count)
{
	CdrRows *rows = cdr_rows_begin(statement);
	CdrMark *marks = cdr_recording_marks(events, count);

	for (int i = 0; i < count; i++)
	{
		CdrEvent		 *event = events[i];
		const CdrMessage *message = event->message;
		const char		 *headers = cdr_headers_json(message);
		const char		 *properties = event->needs_properties
										   ? cdr_needed_properties_json(message)
										   : NULL;

		cdr_unsealed_mark(event, &marks[i], headers, properties);
		cdr_row_put_time(rows, 0, event->time);
		cdr_row_put_time(rows, 1, message->received_at);
		cdr_row_put_time(rows, 2, marks[i].recorded_at);
		cdr_row_put_id(rows, 3, &event->id);
		cdr_row_put_text(rows, 4, event->call_id);
		cdr_row_put_text(rows, 5, event->type);
		cdr_row_put_text(rows, 7, event->tenant_id);
		cdr_row_put(rows, 9, CharGetDatum(event->time_source), false);
		cdr_row_put(rows, 14, mapping_id(event), event->mapping == NULL);
		if (event->erased == NULL)
			put_content(rows, event, &marks[i], headers, properties);
		else
			put_digest(rows, event);
		cdr_row_end(rows);
	}
	pfree(marks);
	return rows;
}

static bool
are_erased(CdrEvent **events, int count)
{
	for (int i = 0; cdr_erased_are_known() && i < count; i++)
	{
		if (events[i]->erased != NULL)
			return true;
	}
	return false;
}

static CdrStatement *
insert_of_new(CdrEvent **events, int count)
{
	return are_erased(events, count) ? &insert_new_erased_events
									 : &insert_new_events;
}

/*
 * ON CONFLICT passes over any conflict: also one with a unique index that
 * somebody added, and then the log does not hold the event.  To insert such
 * events without it gives the error that they deserve, which makes dead
 * letters of them; only what a trigger drops stays without.
 */
static void
check_passed_over(CdrEvent **events, int count)
{
	int			 nknown;
	CdrEventKey *known = find_recorded(events, count, &nknown);
	int			 nmissing = 0;

	for (int i = 0; i < count; i++)
	{
		if (!cdr_is_among(events[i], known, nknown))
			events[nmissing++] = events[i];
	}
	if (nmissing == 0)
		return;
	cdr_rows_execute(
		event_rows(insert_of_new(events, nmissing), events, nmissing),
		SPI_OK_INSERT);
	if (SPI_processed > 0)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("conflicting row was concurrently deleted")));
}

void
cdr_call_events_insert_new(CdrEvent **events, int count)
{
	cdr_rows_execute(event_rows(insert_of_new(events, count), events, count),
					 SPI_OK_INSERT);
	if (SPI_processed != (uint64) count)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("a trigger has dropped events")));
}

int
cdr_call_events_insert(CdrEvent **events, int count)
{
	CdrStatement *statement =
		are_erased(events, count) ? &insert_erased_events : &insert_events;
	CdrEvent   **passed_over = palloc(Max(count, 1) * sizeof(CdrEvent *));
	int			 npassed_over = 0;
	int			 kept = 0;
	CdrEventKey *fresh;
	int			 nfresh;

	cdr_rows_execute(event_rows(statement, events, count), SPI_OK_SELECT);
	fresh = cdr_result_keys(&nfresh);
	for (int i = 0; i < count; i++)
	{
		if (cdr_is_among(events[i], fresh, nfresh))
			events[kept++] = events[i];
		else
			passed_over[npassed_over++] = events[i];
	}
	if (npassed_over > 0)
		check_passed_over(passed_over, npassed_over);
	return kept;
}
