/*-------------------------------------------------------------------------
 *
 * store.c
 *	  A batch of events to the tables: call_events, calls, dead_letters.
 *
 * One way in, for the broker and for SQL.  Each step is one prepared
 * statement over a whole batch:
 *
 *	1. insert into call_events what is new, and hear what that was;
 *	2. merge exactly that into calls;
 *	3. keep as dead letters what could not become events.
 *
 * Almost always all of a batch is new.  So the worker first inserts it as if
 * it were, which searches the unique index once for each event and not twice;
 * the index finds out if it is not, and then the batch is stored with ON
 * CONFLICT.
 *
 * Locking.  Events are inserted in the order of their keys and calls are
 * merged in the order of their ids, each order the same in every process, so
 * that batches cannot deadlock: they can only wait.  Events without a time of
 * their own have no key that a unique index could compare (their time is that
 * of receipt), so one lock out of a fixed set stands in for it.
 *
 * Errors.  A batch is tried as a whole.  If its data fails, it is tried
 * again in halves, each in a subtransaction, down to the single events that
 * fail: they become dead letters, with the error as reason, and all others
 * are stored.  If its moment fails (a deadlock, a full disk, a lock, a table
 * that somebody altered), nothing is written and the caller keeps the batch.
 *
 * Memory.  Events belong to the caller.  What a statement needs is built in a
 * context of its own and freed with it; error texts of events that become
 * dead letters go to the context that was current at the call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/fault.h"
#include "call/merge.h"
#include "store/catalog.h"
#include "store/locks.h"
#include "store/statement.h"
#include "store/store.h"

volatile sig_atomic_t cdr_store_cancel_seen = false;

/* ------------------------------------------------------------------------
 * Statements
 * ------------------------------------------------------------------------
 */

#define INSERT_EVENTS                                           \
	"INSERT INTO %1$s.call_events"                              \
	" (event_time, received_at, event_id, call_id, event_type," \
	" trace_id, tenant_id, routing_key, payload)"
#define EVENT_TYPES                                                         \
	{                                                                       \
		TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, \
			TEXTOID, TEXTOID, JSONOID                                       \
	}

static CdrStatement insert_events = {
	.sql = INSERT_EVENTS " SELECT * FROM new_events"
						 " ON CONFLICT DO NOTHING RETURNING event_id",
	.rows = "new_events",
	.ncolumns = 9,
	.types = EVENT_TYPES,
};

/* For events that are all new, as almost all are: looks nothing up. */
static CdrStatement insert_new_events = {
	.sql = INSERT_EVENTS " SELECT * FROM all_new_events",
	.rows = "all_new_events",
	.ncolumns = 9,
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

/*
 * The join of merge.c, between a stored row (c) and what a batch adds
 * (EXCLUDED): the registers, each with the event that wins it.
 */
#define STARTED_WINS                                                \
	"(EXCLUDED.start_time IS NOT NULL AND (c.start_time IS NULL OR" \
	" (EXCLUDED.start_time, EXCLUDED.started_event_id) <"           \
	" (c.start_time, c.started_event_id)))"
#define ENDED_WINS                                              \
	"(EXCLUDED.end_time IS NOT NULL AND (c.end_time IS NULL OR" \
	" (EXCLUDED.end_time, EXCLUDED.ended_event_id) <"           \
	" (c.end_time, c.ended_event_id)))"
#define IDENTIFIED_WINS                                                       \
	"(EXCLUDED.identified_time IS NOT NULL AND (c.identified_time IS NULL OR" \
	" (EXCLUDED.identified_time, EXCLUDED.identified_event_id) >"             \
	" (c.identified_time, c.identified_event_id)))"
#define RECORDING_WINS                                                      \
	"(EXCLUDED.recording_time IS NOT NULL AND (c.recording_time IS NULL OR" \
	" (EXCLUDED.recording_time, EXCLUDED.recording_event_id) >"             \
	" (c.recording_time, c.recording_event_id)))"
#define USER_WINS                                                   \
	"(" IDENTIFIED_WINS " OR (EXCLUDED.identified_time IS NULL AND" \
	" c.identified_time IS NULL AND " STARTED_WINS "))"
#define TAKE(column, condition)                               \
	column " = CASE WHEN " condition " THEN EXCLUDED." column \
		   " ELSE c." column " END, "

/* one column a line, which is not how clang-format would have it */
/* clang-format off */
static CdrStatement merge_calls = {
	.sql = "INSERT INTO %1$s.calls AS c"
		   " (call_id, start_time, started_event_id, caller_number,"
		   " callee_number, direction, started_tenant_id, answer_time,"
		   " end_time, ended_event_id, hangup_cause, hangup_source,"
		   " identified_time, identified_event_id, identified_tenant_id,"
		   " user_id, contact_id, recording_time, recording_event_id,"
		   " recording_url, event_count, first_event_time, last_event_time)"
		   " SELECT * FROM changed_calls"
		   " ON CONFLICT (call_id) DO UPDATE SET "
		   TAKE("start_time", STARTED_WINS)
		   TAKE("started_event_id", STARTED_WINS)
		   TAKE("caller_number", STARTED_WINS)
		   TAKE("callee_number", STARTED_WINS)
		   TAKE("direction", STARTED_WINS)
		   TAKE("started_tenant_id", STARTED_WINS)
		   "answer_time = LEAST(c.answer_time, EXCLUDED.answer_time), "
		   TAKE("end_time", ENDED_WINS)
		   TAKE("ended_event_id", ENDED_WINS)
		   TAKE("hangup_cause", ENDED_WINS)
		   TAKE("hangup_source", ENDED_WINS)
		   TAKE("identified_time", IDENTIFIED_WINS)
		   TAKE("identified_event_id", IDENTIFIED_WINS)
		   TAKE("identified_tenant_id", IDENTIFIED_WINS)
		   TAKE("user_id", USER_WINS)
		   TAKE("contact_id", USER_WINS)
		   TAKE("recording_time", RECORDING_WINS)
		   TAKE("recording_event_id", RECORDING_WINS)
		   TAKE("recording_url", RECORDING_WINS)
		   "event_count = c.event_count + EXCLUDED.event_count,"
		   " first_event_time ="
		   " LEAST(c.first_event_time, EXCLUDED.first_event_time),"
		   " last_event_time ="
		   " GREATEST(c.last_event_time, EXCLUDED.last_event_time)",
	.rows = "changed_calls",
	.ncolumns = 23,
	.types = {TEXTOID, TIMESTAMPTZOID, UUIDOID, TEXTOID,
			  TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID,
			  TIMESTAMPTZOID, UUIDOID, TEXTOID, TEXTOID,
			  TIMESTAMPTZOID, UUIDOID, TEXTOID,
			  TEXTOID, INT8OID, TIMESTAMPTZOID, UUIDOID,
			  TEXTOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID},
};
/* clang-format on */

static CdrStatement keep_dead_letters = {
	.sql = "INSERT INTO %1$s.dead_letters AS d"
		   " (event_id, received_at, last_attempt_at, sqlstate, message,"
		   " routing_key, headers, property_time, body_size, body)"
		   " SELECT * FROM new_letters"
		   " ON CONFLICT (event_id) DO UPDATE SET"
		   " attempts = d.attempts + 1,"
		   " last_attempt_at = EXCLUDED.last_attempt_at,"
		   " sqlstate = EXCLUDED.sqlstate,"
		   " message = EXCLUDED.message"
		   " RETURNING attempts = 1",
	.rows = "new_letters",
	.ncolumns = 10,
	.types = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID,
			  TEXTOID, JSONOID, TIMESTAMPTZOID, INT8OID, BYTEAOID},
};

/* $1: the last one read before; $2: those wanted, NULL for all */
static CdrStatement read_dead_letters = {
	.sql = "SELECT event_id, received_at, routing_key, property_time,"
		   " body_size, body FROM %1$s.dead_letters"
		   " WHERE event_id > $1 AND ($2 IS NULL OR event_id = ANY ($2))"
		   " ORDER BY event_id LIMIT 500 FOR UPDATE",
	.ncolumns = 2,
	.types = {UUIDOID, UUIDARRAYOID},
};

static CdrStatement delete_dead_letters = {
	.sql = "DELETE FROM %1$s.dead_letters WHERE event_id = ANY ($1)",
	.ncolumns = 1,
	.types = {UUIDARRAYOID},
};

static CdrStatement *const statements[] = {
	&insert_events,		&insert_new_events, &find_events,		  &merge_calls,
	&keep_dead_letters, &read_dead_letters, &delete_dead_letters,
};

/* ------------------------------------------------------------------------
 * The three steps
 * ------------------------------------------------------------------------
 */

/* By call, then by identity: the order of the unique index. */
static int
compare_events(const void *a, const void *b)
{
	const CdrEvent *x = *(CdrEvent *const *) a;
	const CdrEvent *y = *(CdrEvent *const *) b;
	int				result = strcmp(x->call_id, y->call_id);

	if (result == 0)
		result = memcmp(x->id.data, y->id.data, UUID_LEN);
	if (result == 0)
		result = (x->time > y->time) - (x->time < y->time);
	return result;
}

/* Sorts events and drops those that repeat another; returns how many stay. */
static int
sort_unique(CdrEvent **events, int count)
{
	int kept = 0;

	qsort(events, count, sizeof(CdrEvent *), compare_events);
	for (int i = 0; i < count; i++)
	{
		if (kept > 0 && memcmp(events[kept - 1]->id.data, events[i]->id.data,
							   UUID_LEN) == 0)
			continue;
		events[kept++] = events[i];
	}
	return kept;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

static void
put_id(CdrRows *rows, int column, const pg_uuid_t *id)
{
	cdr_row_put(rows, column, UUIDPGetDatum(id), false);
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
		put_id(rows, 1, &events[i]->id);
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

/*
 * Drops events that have no time of their own and are recorded already from
 * the array; returns how many events stay.  Locks what stands for their keys
 * first, so that whoever records the same event at this moment is waited for,
 * and looks with a snapshot taken after that.
 */
static int
drop_known_timeless(CdrEvent **events, int count)
{
	CdrEvent **timeless = palloc(Max(count, 1) * sizeof(CdrEvent *));
	Datum	  *ids = palloc(Max(count, 1) * sizeof(Datum));
	pg_uuid_t *known;
	int		   ntimeless = 0;
	int		   nknown;
	int		   kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (events[i]->time_is_own)
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
		if (events[i]->time_is_own || !is_among(events[i], known, nknown))
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

		cdr_row_put_time(rows, 0, event->time);
		cdr_row_put_time(rows, 1, message->received_at);
		put_id(rows, 2, &event->id);
		cdr_row_put_text(rows, 3, event->call_id);
		cdr_row_put_text(rows, 4, event->type);
		cdr_row_put_text(rows, 5, event->trace_id);
		cdr_row_put_text(rows, 6, event->tenant_id);
		cdr_row_put_text(rows, 7, message->routing_key);
		cdr_row_put(rows, 8,
					PointerGetDatum(cstring_to_text_with_len(
						message->body, (int) message->body_length)),
					false);
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
						errmsg("what was in the way of an event has been "
							   "removed just now")));
}

/* Step 1 for sorted events of which none is thought to be recorded. */
static void
log_new_events(CdrEvent **events, int count)
{
	cdr_rows_execute(event_rows(&insert_new_events, events, count),
					 SPI_OK_INSERT);
	if (SPI_processed != (uint64) count)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("a trigger has dropped events")));
}

/*
 * Step 1 for sorted events of which some may be recorded: leaves in the array
 * those that were not; returns how many.
 */
static int
log_events(CdrEvent **events, int count)
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

/* The id of the event that won a register; none if time is none. */
static void
put_winner(CdrRows *rows, int column, const pg_uuid_t *id, TimestampTz time)
{
	cdr_row_put(rows, column, UUIDPGetDatum(id), time == CDR_NO_TIME);
}

static void
put_call(CdrRows *rows, const CdrCall *call)
{
	int i = 0;

	cdr_row_put_text(rows, i++, call->call_id);
	cdr_row_put_time(rows, i++, call->start_time);
	put_winner(rows, i++, &call->started_event_id, call->start_time);
	cdr_row_put_text(rows, i++, call->caller_number);
	cdr_row_put_text(rows, i++, call->callee_number);
	cdr_row_put_text(rows, i++, call->direction);
	cdr_row_put_text(rows, i++, call->started_tenant_id);
	cdr_row_put_time(rows, i++, call->answer_time);
	cdr_row_put_time(rows, i++, call->end_time);
	put_winner(rows, i++, &call->ended_event_id, call->end_time);
	cdr_row_put_text(rows, i++, call->hangup_cause);
	cdr_row_put_text(rows, i++, call->hangup_source);
	cdr_row_put_time(rows, i++, call->identified_time);
	put_winner(rows, i++, &call->identified_event_id, call->identified_time);
	cdr_row_put_text(rows, i++, call->identified_tenant_id);
	cdr_row_put_text(rows, i++, call->user_id);
	cdr_row_put(rows, i++, Int64GetDatum(call->contact_id),
				!call->has_contact_id);
	cdr_row_put_time(rows, i++, call->recording_time);
	put_winner(rows, i++, &call->recording_event_id, call->recording_time);
	cdr_row_put_text(rows, i++, call->recording_url);
	cdr_row_put(rows, i++, Int64GetDatum(call->event_count), false);
	cdr_row_put_time(rows, i++, call->first_event_time);
	cdr_row_put_time(rows, i++, call->last_event_time);
	cdr_row_end(rows);
}

/* Step 2: merges new events, sorted by call, into their calls. */
static void
merge_events(CdrEvent **events, int count)
{
	CdrRows *rows = cdr_rows_begin(&merge_calls);
	CdrCall	 call;

	for (int i = 0; i < count; i++)
	{
		const char *call_id = events[i]->call_id;

		if (call_id[0] == '\0')
			continue;
		if (i == 0 || strcmp(events[i - 1]->call_id, call_id) != 0)
			cdr_call_init(&call, call_id);
		cdr_call_add(&call, events[i]);
		if (i == count - 1 || strcmp(events[i + 1]->call_id, call_id) != 0)
			put_call(rows, &call);
	}
	cdr_rows_execute(rows, SPI_OK_INSERT);
}

/*
 * Steps 1 and 2 for understood, sorted events; returns how many were new.
 * With all_new, none of them is thought to be recorded, and if one is, that
 * is an ERROR (unique_violation).
 */
static int64
store_events(CdrEvent **events, int count, bool all_new)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service statement", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	CdrEvent	**work = palloc(Max(count, 1) * sizeof(CdrEvent *));
	int			  fresh;

	memcpy(work, events, count * sizeof(CdrEvent *));
	CDR_FAULT("before-lookup");
	fresh = drop_known_timeless(work, count);
	CDR_FAULT("before-insert");
	if (all_new)
		log_new_events(work, fresh);
	else
		fresh = log_events(work, fresh);
	CDR_FAULT("before-merge");
	merge_events(work, fresh);
	CDR_FAULT("after-merge");

	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return fresh;
}

/* Step 3: keeps dead letters; returns how many were not kept before. */
static int64
keep(CdrEvent **letters, int count)
{
	CdrRows	   *rows = cdr_rows_begin(&keep_dead_letters);
	TimestampTz now = GetCurrentTimestamp();
	int64		fresh = 0;

	count = sort_unique(letters, count);
	for (int i = 0; i < count; i++)
	{
		const CdrEvent	 *event = letters[i];
		const CdrMessage *message = event->message;

		put_id(rows, 0, &event->id);
		cdr_row_put_time(rows, 1, message->received_at);
		cdr_row_put_time(rows, 2, now);
		cdr_row_put_text(rows, 3,
						 cdr_sqlstate_text(event->reason->sqlerrcode));
		cdr_row_put_text(rows, 4, event->reason->message);
		cdr_row_put_text(rows, 5, message->routing_key);
		cdr_row_put_text(rows, 6, message->headers);
		cdr_row_put_time(rows, 7, message->property_time);
		cdr_row_put(rows, 8, Int64GetDatum((int64) message->body_size), false);
		cdr_row_put(rows, 9,
					PointerGetDatum(cstring_to_text_with_len(
						message->body, (int) message->body_length)),
					false);
		cdr_row_end(rows);
	}
	cdr_rows_execute(rows, SPI_OK_INSERT_RETURNING);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool isnull;

		if (DatumGetBool(cdr_result(row, 1, &isnull)))
			fresh++;
	}
	SPI_freetuptable(SPI_tuptable);
	return fresh;
}

/* ------------------------------------------------------------------------
 * Bisection
 * ------------------------------------------------------------------------
 */

/*
 * Is an error the fault of the moment, so that trying again later can help?
 * Everything else is the fault of the data, or of the tables: that is told
 * apart by can_store_nothing().
 */
static bool
is_passing(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			return false;
	}
}

/* A batch on its way in, and what became of it so far. */
typedef struct Job
{
	MemoryContext context; /* for what must outlive the transaction */
	CdrEvent	**events;  /* understood */
	int			  nevents;
	CdrEvent	**letters; /* dead; has room for all */
	int			  nletters;
	int64		  recorded;
} Job;

/*
 * Runs store_events() in a subtransaction.  Returns NULL, or the error, for
 * which nothing was written.
 */
static ErrorData *
try_events(Job *job, CdrEvent **events, int count)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		int64 recorded = store_events(events, count, false);

		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		job->recorded += recorded;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(job->context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	return error;
}

/* Would the tables take anything at all?  Tells bad tables from bad data. */
static bool
can_store_nothing(Job *job)
{
	ErrorData *error = try_events(job, NULL, 0);

	if (error == NULL)
		return true;
	FreeErrorData(error);
	return false;
}

/* Stores what can be stored of some events; the others become dead letters. */
static void
bisect(Job *job, CdrEvent **events, int count)
{
	ErrorData *error;
	CdrReason *reason;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	error = try_events(job, events, count);
	if (error == NULL)
		return;
	if (is_passing(error->sqlerrcode))
		ReThrowError(error);
	if (count > 1)
	{
		FreeErrorData(error);
		bisect(job, events, count / 2);
		bisect(job, events + count / 2, count - count / 2);
		return;
	}
	if (!can_store_nothing(job))
		ReThrowError(error);

	reason = MemoryContextAlloc(job->context, sizeof(CdrReason));
	*reason = cdr_reason_of_error(error);
	events[0]->reason = reason;
	job->letters[job->nletters++] = events[0];
}

/* ------------------------------------------------------------------------
 * Sessions
 * ------------------------------------------------------------------------
 */

/* Connects to SPI with the rights that the tables need. */
static void
open_session(const CdrTables *tables, CdrRights *rights)
{
	cdr_catalog_assume_rights(tables, cdr_catalog_writer(tables), rights);
	cdr_statements_open(statements, lengthof(statements), tables->quoted);
}

static void
close_session(const CdrRights *rights)
{
	cdr_statements_close();
	cdr_catalog_restore_rights(rights);
}

static bool
find_tables(CdrTables *tables)
{
	return cdr_catalog_find(tables) && cdr_catalog_is_supported(tables);
}

/*
 * Finds the tables and locks them as the statements will: so that DROP
 * EXTENSION either waits for us or is seen, and so that whoever is making a
 * partition, which locks the default one, is waited for before the statements
 * look which partitions there are.
 */
static bool
lock_tables(CdrTables *tables)
{
	uint64 seen = SharedInvalidMessageCounter;
	bool   waited = false;
	Oid	   relations[4];

	if (!find_tables(tables))
		return false;
	relations[0] = tables->call_events;
	relations[1] = tables->calls;
	relations[2] = tables->dead_letters;
	relations[3] = tables->call_events_default;
	for (int i = 0; i < (int) lengthof(relations); i++)
	{
		/* a DBA may do without a default partition */
		if (!OidIsValid(relations[i]))
			continue;
		if (!ConditionalLockRelationOid(relations[i], RowExclusiveLock))
		{
			waited = true;
			LockRelationOid(relations[i], RowExclusiveLock);
		}
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relations[i])))
			return false;
	}
	/* an update of the extension may have been what we waited for, or missed */
	return (!waited && seen == SharedInvalidMessageCounter) ||
		   find_tables(tables);
}

/* The same where the tables must be there; for SQL functions. */
static void
require_tables(CdrTables *tables)
{
	if (!lock_tables(tables))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the tables of extension \"%s\" are missing, or of "
						"another version than its library",
						CDR_EXTENSION_NAME),
				 errhint("After an update of the library, restart the server "
						 "and run ALTER EXTENSION %s UPDATE.",
						 CDR_EXTENSION_NAME)));
}

/* ------------------------------------------------------------------------
 * For the worker
 * ------------------------------------------------------------------------
 */

/*
 * Has deferrable constraints checked by the statement that breaks them: so
 * the event is known that does, and what they run has the statement's rights,
 * not those of whoever commits.
 */
static void
check_constraints_at_once(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->deferred = false;
	AfterTriggerSetState(statement);
}

/*
 * Makes a commit wait although the batch wrote nothing, because all of it was
 * recorded before.  Whoever recorded it may not have waited: a worker that was
 * ended while it waited for a standby, a session with synchronous_commit off.
 * To wait for a record of ours is to wait for all before it.
 */
static void
make_commit_wait(void)
{
	cdr_log_empty_message(CDR_EXTENSION_NAME);
}

/* The ways to store a batch, from the fastest to the one that always works. */
typedef enum Manner
{
	ALL_NEW,	/* fails if an event is recorded already */
	AS_A_WHOLE, /* fails if the tables refuse an event */
	IN_HALVES
} Manner;

/*
 * Batches that are still to be stored without the hope that all is new, after
 * one that held an event that was recorded already: for where one producer
 * repeats itself, there will be more.
 */
#define WARY_BATCHES 100
static int wary = 0;

/* Where to begin: a batch that came before is not likely to be new. */
static Manner
first_manner(const Job *job)
{
	if (wary > 0)
		return AS_A_WHOLE;
	for (int i = 0; i < job->nevents; i++)
	{
		if (job->events[i]->message->redelivered)
			return AS_A_WHOLE;
	}
	return ALL_NEW;
}

/* One try at the whole job, in its own transaction; throws. */
static CdrStoreOutcome
run_transaction(Job *job, Manner manner, CdrStoreResult *result)
{
	CdrTables tables;
	CdrRights rights;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "storing a batch of events");
	check_constraints_at_once();
	if (!lock_tables(&tables))
	{
		AbortCurrentTransaction();
		return CDR_STORE_NO_TABLES;
	}

	open_session(&tables, &rights);
	if (manner == IN_HALVES)
		bisect(job, job->events, job->nevents);
	else if (job->nevents > 0)
		job->recorded +=
			store_events(job->events, job->nevents, manner == ALL_NEW);
	if (job->nletters > 0)
	{
		CDR_FAULT("before-dead-letters");
		result->dead_letters = keep(job->letters, job->nletters);
		CDR_FAULT("after-dead-letters");
	}
	close_session(&rights);
	PopActiveSnapshot();
	if (job->recorded == 0 && job->nletters == 0)
		make_commit_wait();

	/*
	 * A cancel or terminate that comes from here on may end the wait for a
	 * synchronous standby early, which only warns: so it must not have come.
	 */
	cdr_store_cancel_seen = false;
	CHECK_FOR_INTERRUPTS();
	CDR_FAULT("before-commit");
	CommitTransactionCommand();
	CDR_FAULT("after-commit");
	result->committed_at = GetCurrentTimestamp();
	return cdr_store_cancel_seen || ProcDiePending ? CDR_STORE_NOT_DURABLE
												   : CDR_STORE_DONE;
}

/* The same, but an error is returned, NULL for none; nothing was written. */
static ErrorData *
try_transaction(Job *job, Manner manner, CdrStoreOutcome *outcome,
				CdrStoreResult *result)
{
	ErrorData *volatile error = NULL;
	int nletters = job->nletters;

	job->recorded = 0;
	PG_TRY();
	{
		*outcome = run_transaction(job, manner, result);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(job->context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		cdr_statements_forget(statements, lengthof(statements));
		job->nletters = nletters;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(job->context);
	pgstat_report_activity(STATE_IDLE, NULL);
	return error;
}

/* Sorts a batch into understood events and dead letters. */
static void
prepare_job(Job *job, CdrEvent *events, int count)
{
	memset(job, 0, sizeof(Job));
	job->context = CurrentMemoryContext;
	job->events = palloc(Max(count, 1) * sizeof(CdrEvent *));
	job->letters = palloc(Max(count, 1) * sizeof(CdrEvent *));
	for (int i = 0; i < count; i++)
	{
		if (events[i].reason == NULL)
			job->events[job->nevents++] = &events[i];
		else
			job->letters[job->nletters++] = &events[i];
	}
	job->nevents = sort_unique(job->events, job->nevents);
	job->nletters = sort_unique(job->letters, job->nletters);
}

static void
note_error(CdrStoreResult *result, const ErrorData *error)
{
	strlcpy(result->sqlstate, unpack_sql_state(error->sqlerrcode),
			sizeof(result->sqlstate));
	strlcpy(result->error, error->message ? error->message : "",
			sizeof(result->error));
}

static void
note_letter(CdrStoreResult *result, const CdrEvent *letter)
{
	strlcpy(result->sqlstate, cdr_sqlstate_text(letter->reason->sqlerrcode),
			sizeof(result->sqlstate));
	snprintf(result->error, sizeof(result->error), "dead letter: %s",
			 letter->reason->message);
}

static TimestampTz
latest_time(const Job *job)
{
	TimestampTz latest = 0;

	for (int i = 0; i < job->nevents; i++)
	{
		if (latest == 0 || job->events[i]->time > latest)
			latest = job->events[i]->time;
	}
	return latest;
}

CdrStoreOutcome
cdr_store_batch(CdrEvent *events, int count, CdrStoreResult *result)
{
	Job				job;
	Manner			manner;
	CdrStoreOutcome outcome = CDR_STORE_RETRY;
	ErrorData	   *error;

	memset(result, 0, sizeof(CdrStoreResult));
	prepare_job(&job, events, count);
	manner = first_manner(&job);
	error = try_transaction(&job, manner, &outcome, result);
	while (error != NULL && !is_passing(error->sqlerrcode) &&
		   manner != IN_HALVES)
	{
		FreeErrorData(error);
		manner++;
		error = try_transaction(&job, manner, &outcome, result);
	}
	if (error != NULL)
	{
		note_error(result, error);
		return CDR_STORE_RETRY;
	}

	if (job.recorded < job.nevents)
		wary = WARY_BATCHES;
	else if (wary > 0)
		wary--;
	if (result->dead_letters > 0)
		note_letter(result, job.letters[job.nletters - 1]);
	result->recorded = job.recorded;
	result->duplicates = count - job.recorded - result->dead_letters;
	result->last_event_time = latest_time(&job);
	return outcome;
}

bool
cdr_store_is_outdated(void)
{
	bool outdated;
	bool isnull;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(
			"SELECT EXISTS (SELECT FROM pg_settings"
			" WHERE name = 'default_transaction_read_only' AND setting = 'on'"
			" AND source IN ('global', 'database', 'user', 'database user'))"
			" AND NOT EXISTS"
			" (SELECT FROM pg_db_role_setting, unnest(setconfig) AS s"
			" WHERE setdatabase IN (0, (SELECT oid FROM pg_database"
			" WHERE datname = current_database()))"
			" AND setrole IN (0, current_user::regrole)"
			" AND split_part(s, '=', 1) = 'default_transaction_read_only'"
			" AND split_part(s, '=', 2)::bool)",
			true, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	outdated = DatumGetBool(cdr_result(0, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return outdated;
}

/* ------------------------------------------------------------------------
 * For SQL functions
 * ------------------------------------------------------------------------
 */

void
cdr_store_events(CdrEvent *events, int count, CdrStoreResult *result)
{
	CdrTables tables;
	CdrRights rights;
	Job		  job;

	memset(result, 0, sizeof(CdrStoreResult));
	prepare_job(&job, events, count);
	Assert(job.nletters == 0);

	require_tables(&tables);
	open_session(&tables, &rights);
	result->recorded = store_events(job.events, job.nevents, false);
	result->duplicates = count - result->recorded;
	close_session(&rights);
}

/* The message that a row of dead_letters (SPI result) came from. */
static CdrMessage *
message_from_letter(uint64 row)
{
	CdrMessage *message = palloc0(sizeof(CdrMessage));
	bytea	   *body;
	Datum		value;
	bool		isnull;
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	*id = *DatumGetUUIDP(cdr_result(row, 1, &isnull));
	message->id = id;
	message->received_at = DatumGetTimestampTz(cdr_result(row, 2, &isnull));
	value = cdr_result(row, 3, &isnull);
	if (!isnull)
		message->routing_key = TextDatumGetCString(value);
	value = cdr_result(row, 4, &isnull);
	message->property_time = isnull ? CDR_NO_TIME : DatumGetTimestampTz(value);
	message->body_size = (uint64) DatumGetInt64(cdr_result(row, 5, &isnull));
	body = DatumGetByteaPCopy(cdr_result(row, 6, &isnull));
	message->body = VARDATA_ANY(body);
	message->body_length = VARSIZE_ANY_EXHDR(body);
	return message;
}

/* Deletes the dead letters of events that are stored now. */
static void
delete_letters(CdrEvent **events, int count)
{
	Datum *ids = palloc(Max(count, 1) * sizeof(Datum));
	Datum  array;

	for (int i = 0; i < count; i++)
		ids[i] = UUIDPGetDatum(&events[i]->id);
	array = PointerGetDatum(
		construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	cdr_statement_execute(&delete_dead_letters, &array, NULL, SPI_OK_DELETE);
}

/*
 * Tries the dead letters that the last statement read.  Returns how many
 * became events.
 */
static int64
retry_letters(const CdrEventOptions *options)
{
	int		   count = (int) SPI_processed;
	CdrEvent  *events = palloc0(count * sizeof(CdrEvent));
	CdrEvent **stored = palloc(count * sizeof(CdrEvent *));
	int		   nstored = 0;
	Job		   job;

	for (int i = 0; i < count; i++)
		(void) cdr_event_parse(message_from_letter(i), options, &events[i]);
	SPI_freetuptable(SPI_tuptable);

	prepare_job(&job, events, count);
	if (job.nevents > 0)
		bisect(&job, job.events, job.nevents);
	for (int i = 0; i < job.nevents; i++)
	{
		if (job.events[i]->reason == NULL)
			stored[nstored++] = job.events[i];
	}
	delete_letters(stored, nstored);
	if (job.nletters > 0)
		(void) keep(job.letters, job.nletters);
	return nstored;
}

int64
cdr_store_retry_dead_letters(ArrayType *ids, const CdrEventOptions *options)
{
	CdrTables	  tables;
	CdrRights	  rights;
	MemoryContext context;
	pg_uuid_t	  last;
	int64		  stored = 0;
	bool		  more = true;

	require_tables(&tables);
	open_session(&tables, &rights);
	context =
		AllocSetContextCreate(CurrentMemoryContext, "cdr_service dead letters",
							  ALLOCSET_DEFAULT_SIZES);
	memset(&last, 0, sizeof(last));
	while (more)
	{
		MemoryContext outer = MemoryContextSwitchTo(context);
		Datum parameters[2] = {UUIDPGetDatum(&last), PointerGetDatum(ids)};

		cdr_statement_execute(&read_dead_letters, parameters,
							  ids == NULL ? " n" : NULL, SPI_OK_SELECT);
		more = SPI_processed > 0;
		if (more)
		{
			bool isnull;

			last = *DatumGetUUIDP(cdr_result(SPI_processed - 1, 1, &isnull));
			stored += retry_letters(options);
		}
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
	}
	close_session(&rights);
	return stored;
}
