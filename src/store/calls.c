/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  The table calls: one row for each call, merged from its events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "call/merge.h"
#include "store/calls.h"

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

CdrStatement *const cdr_calls_statements[] = {&merge_calls, NULL};

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

void
cdr_calls_merge(CdrEvent **events, int count)
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
