/*-------------------------------------------------------------------------
 *
 * call_events.c
 *	  The table call_events: the log, one row for each distinct event.
 *
 * Almost always all of a batch is new.  So the worker first inserts it as if
 * it were, which searches the unique index once for each event and not twice;
 * the index finds out if it is not, and then the batch is stored with ON
 * CONFLICT.
 *
 * Events without a time of their own have no key that a unique index could
 * compare (their time is that of receipt), so one lock out of a fixed set stands
 * in for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/properties.h"
#include "store/call_events.h"
#include "store/locks.h"

#define INSERT_EVENTS                                             \
	"INSERT INTO %1$s.call_events"                                \
	" (event_time, received_at, event_id, call_id, event_type,"   \
	" trace_id, tenant_id, routing_key, time_source, message_id," \
	" content_type, headers, payload, body)"
#define EVENT_TYPES                                                         \
	{                                                                       \
		TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, \
			TEXTOID, TEXTOID, CHAROID, BYTEAOID, TEXTOID, JSONOID, JSONOID, \
			BYTEAOID                                                        \
	}

static CdrStatement insert_events = {
	.sql = INSERT_EVENTS " SELECT * FROM new_events"
						 " ON CONFLICT DO NOTHING RETURNING event_id",
	.rows = "new_events",
	.ncolumns = 14,
	.types = EVENT_TYPES,
};

/* For events that are all new, as almost all are: looks nothing up. */
static CdrStatement insert_new_events = {
	.sql = INSERT_EVENTS " SELECT * FROM all_new_events",
	.rows = "all_new_events",
	.ncolumns = 14,
	.types = EVENT_TYPES,
};

/* LIMIT, for the index: else a plan made while the log was small reads all of
 * it, again and again, as it grows. */
static CdrStatement find_events = {
	.sql = "SELECT s.event_id FROM sought_events AS s(call_id, event_id),"
		   " LATERAL (SELECT FROM %1$s.call_events AS e"
		   " WHERE e.call_id = s.call_id AND e.event_id = s.event_id"
		   " LIMIT 1) AS found",
	.rows = "sought_events",
	.ncolumns = 2,
	.types = {TEXTOID, UUIDOID},
};

CdrStatement *const cdr_call_events_statements[] = {
	&insert_events, &insert_new_events, &find_events, NULL};

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/*
 * Which of some events does the log hold?  Looks with a snapshot of this
 * moment.  Returns their sorted ids, *nfound of them.
 */
static pg_uuid_t *
find_recorded(CdrEvent **events, int count, int *nfound)
{
	CdrRows	  *rows = cdr_rows_begin(&find_events);
	pg_uuid_t *ids;

	for (int i = 0; i < count; i++)
	{
		cdr_row_put_text(rows, 0, events[i]->call_id);
		cdr_row_put_id(rows, 1, &events[i]->id);
		cdr_row_end(rows);
	}
	cdr_rows_query_latest(rows);

	*nfound = (int) SPI_processed;
	ids = palloc(Max(*nfound, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < *nfound; i++)
	{
		bool isnull;

		ids[i] = *DatumGetUUIDP(cdr_result(i, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(ids, *nfound, sizeof(pg_uuid_t), compare_ids);
	return ids;
}

static bool
is_among(const CdrEvent *event, const pg_uuid_t *ids, int count)
{
	return bsearch(&event->id, ids, count, sizeof(pg_uuid_t), compare_ids) !=
		   NULL;
}

int
cdr_call_events_drop_known(CdrEvent **events, int count)
{
	CdrEvent **timeless = palloc(Max(count, 1) * sizeof(CdrEvent *));
	Datum	  *ids = palloc(Max(count, 1) * sizeof(Datum));
	pg_uuid_t *known;
	int		   ntimeless = 0;
	int		   nknown;
	int		   kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (events[i]->time_source == CDR_TIME_OF_BODY)
			continue;
		ids[ntimeless] = UUIDPGetDatum(&events[i]->id);
		timeless[ntimeless++] = events[i];
	}
	if (ntimeless == 0)
		return count;

	cdr_lock_identities(ids, ntimeless);
	known = find_recorded(timeless, ntimeless, &nknown);
	for (int i = 0; i < count; i++)
	{
		if (events[i]->time_source == CDR_TIME_OF_BODY ||
			!is_among(events[i], known, nknown))
			events[kept++] = events[i];
	}
	return kept;
}

static CdrRows *
event_rows(CdrStatement *statement, CdrEvent **events, int count)
{
	CdrRows *rows = cdr_rows_begin(statement);

	for (int i = 0; i < count; i++)
	{
		const CdrEvent	 *event = events[i];
		const CdrMessage *message = event->message;
		Datum			  body = PointerGetDatum(cstring_to_text_with_len(
						message->body, (int) message->body_length));

		cdr_row_put_time(rows, 0, event->time);
		cdr_row_put_time(rows, 1, message->received_at);
		cdr_row_put_id(rows, 2, &event->id);
		cdr_row_put_text(rows, 3, event->call_id);
		cdr_row_put_text(rows, 4, event->type);
		cdr_row_put_text(rows, 5, event->trace_id);
		cdr_row_put_text(rows, 6, event->tenant_id);
		cdr_row_put_text(rows, 7, message->routing_key);
		cdr_row_put(rows, 8, CharGetDatum(event->time_source), false);
		cdr_row_put_bytes(rows, 9, message->message_id,
						  message->message_id_length);
		cdr_row_put_text(rows, 10, message->content_type);
		cdr_row_put_text(rows, 11, cdr_headers_json(message));
		cdr_row_put(rows, 12, body, !event->is_json);
		cdr_row_put(rows, 13, body, event->is_json);
		cdr_row_end(rows);
	}
	return rows;
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
	int		   nknown;
	pg_uuid_t *known = find_recorded(events, count, &nknown);
	int		   nmissing = 0;

	for (int i = 0; i < count; i++)
	{
		if (!is_among(events[i], known, nknown))
			events[nmissing++] = events[i];
	}
	if (nmissing == 0)
		return;
	cdr_rows_execute(event_rows(&insert_new_events, events, nmissing),
					 SPI_OK_INSERT);
	if (SPI_processed > 0)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("conflicting row was concurrently deleted")));
}

void
cdr_call_events_insert_new(CdrEvent **events, int count)
{
	cdr_rows_execute(event_rows(&insert_new_events, events, count),
					 SPI_OK_INSERT);
	if (SPI_processed != (uint64) count)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("a trigger has dropped events")));
}

int
cdr_call_events_insert(CdrEvent **events, int count)
{
	CdrEvent **passed_over = palloc(Max(count, 1) * sizeof(CdrEvent *));
	int		   npassed_over = 0;
	int		   fresh = 0;

	cdr_rows_execute(event_rows(&insert_events, events, count),
					 SPI_OK_INSERT_RETURNING);
	/* what was inserted comes back in the order in which it went in */
	for (int i = 0; i < count; i++)
	{
		bool isnull;

		if (fresh < (int) SPI_processed &&
			compare_ids(DatumGetUUIDP(cdr_result(fresh, 1, &isnull)),
						&events[i]->id) == 0)
			events[fresh++] = events[i];
		else
			passed_over[npassed_over++] = events[i];
	}
	SPI_freetuptable(SPI_tuptable);
	if (npassed_over > 0)
		check_passed_over(passed_over, npassed_over);
	return fresh;
}
