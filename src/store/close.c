/*-------------------------------------------------------------------------
 *
 * close.c
 *	  SQL: calls that nobody ended, listed and closed.
 *
 * A closing is an event, which gives its call an end where no other ends it.  It
 * says when that was: at the call's last event that has a time of its own, and
 * of a Call-ID that was used again, at that of the first call.
 *
 * A clock that is ahead tells times that have not come yet.  They say neither when a
 * call was last heard of, which is then when that was received, nor when it ended.
 *
 * Calls are taken in the one order of calls, a few at a time: their rows are
 * locked until the caller's transaction ends, and then looked at again.  Whoever was
 * waited for may have ended a call, or closed it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/chosen_calls.h"
#include "store/log_segments.h"
#include "store/made_event.h"
#include "store/stored_calls.h"
#include "store/writer.h"

/* Calls that are closed at a time. */
#define SLICE_OF_CALLS 200

/* Those that may be: of which the last time is before one ($1), or has not come yet. */
#define SEEMS_STALE                                  \
	"c.end_time IS NULL AND (c.last_event_time < $1" \
	" OR c.last_event_time > now()) ORDER BY c.call_id COLLATE \"C\""

#define FIND_STALE \
	"SELECT c.call_id::text FROM ONLY %s.calls AS c WHERE " SEEMS_STALE

/* Of some calls ($2). */
#define READ_STALE \
	CDR_READ_CALLS " WHERE c.call_id = ANY ($2) AND " SEEMS_STALE

/* Of some calls ($1), whose events lie between two times: of those before a time of
 * each ($4), the last with a time of its own, and the last one; and when the last of
 * all was received. */
#define LAST_TIMES                                                              \
	"SELECT e.call_id::text, max(e.event_time) FILTER"                          \
	" (WHERE s.before > e.event_time AND e.time_source IN ('b', 'p')),"         \
	" max(e.event_time) FILTER (WHERE s.before > e.event_time),"                \
	" max(e.received_at)"                                                       \
	" FROM %s.call_events AS e JOIN unnest($1, $4) AS s(call_id, before)"       \
	" ON s.call_id = e.call_id"                                                 \
	" WHERE e.call_id = ANY ($1) AND e.event_time >= $2 AND e.event_time <= $3" \
	" AND e.time_source IS DISTINCT FROM 'f' GROUP BY e.call_id"                \
	" ORDER BY e.call_id COLLATE \"C\""

/* When the last event of one call was received; if the log has none of it any more,
 * it was heard of at its first. */
#define LAST_RECEIPT                                                      \
	"(SELECT LEAST(now(), COALESCE(max(e.received_at)"                    \
	" FILTER (WHERE e.time_source IS DISTINCT FROM 'f'),"                 \
	" c.first_event_time)) FROM %s.call_events AS e"                      \
	" WHERE e.call_id = c.call_id AND e.event_time >= c.first_event_time" \
	" AND e.event_time <= c.last_event_time)"

/* Where the last time has not come yet, what stands for it is the second %s. */
#define LIST_STALE                                                         \
	"SELECT c.call_id, c.status, c.caller_number, c.callee_number,"        \
	" c.tenant_id, c.start_time, c.answer_time, c.last_event_time,"        \
	" now() - h.heard FROM ONLY %s.calls AS c CROSS JOIN LATERAL"          \
	" (SELECT CASE WHEN c.last_event_time <= now() THEN c.last_event_time" \
	" ELSE %s END AS heard) AS h WHERE c.end_time IS NULL"                 \
	" ORDER BY h.heard, c.call_id"

typedef struct StaleCall
{
	CdrCall call;
	/* events from that time on do not count: when its Call-ID was used again, or
	 * now, if there are times that have not come yet; or DT_NOEND */
	TimestampTz before;
	TimestampTz own_time;	 /* their last one in the log; or CDR_NO_TIME */
	TimestampTz last_time;	 /* the same, of receipt or not */
	TimestampTz received_at; /* of the last of all; or CDR_NO_TIME */
} StaleCall;

typedef struct Closing
{
	const CdrTables *tables;
	const CdrMaker	*maker;
	TimestampTz		 now;		   /* as SQL has it: of the transaction */
	TimestampTz		 heard_before; /* calls that are closed */
	CdrCursor		 stale;
	MemoryContext	 slice;
	StaleCall		 calls[SLICE_OF_CALLS]; /* in the order of their ids */
	int				 ncalls;
	CdrEvent		 events[SLICE_OF_CALLS];
	int				 nevents;
} Closing;

/* When the Call-ID of a call was used again, by the log. */
static TimestampTz
next_use_of(const Closing *closing, const CdrCall *call)
{
	TimestampTz	   next = DT_NOEND;
	CdrLogSegments log;
	CdrSegment	   segment;

	if (!cdr_call_is_reused(call))
		return next;
	cdr_log_segments_open(&log, closing->tables,
						  CStringGetTextDatum(call->call_id));
	if (cdr_log_segments_next(&log, CurrentMemoryContext, &segment) &&
		cdr_log_segments_next(&log, CurrentMemoryContext, &segment))
		next = segment.call.facts[CDR_REG_STARTED].time;
	cdr_log_segments_close(&log);
	return next;
}

/* Locks the rows of the next calls that seem to be stale, at most max of them; returns
 * how many there were. */
static int
lock_stale(Closing *closing, int max, Datum *ids)
{
	int	 count = 0;
	bool isnull;

	while (count < max && cdr_cursor_next(&closing->stale) != NULL)
		ids[count++] = PointerGetDatum(
			DatumGetTextPCopy(cdr_cursor_value(&closing->stale, 1, &isnull)));
	for (int i = 0; i < count; i++)
		cdr_stored_call_lock(ids[i]);
	return count;
}

/* Takes, of calls that are locked, those that seem to be stale still. */
static void
read_stale(Closing *closing, Datum *ids, int count)
{
	CdrArguments arguments = {2,
							  true,
							  {TIMESTAMPTZOID, TEXTARRAYOID},
							  {TimestampTzGetDatum(closing->heard_before),
							   cdr_text_array(ids, count)}};
	CdrCursor	 cursor;

	cdr_cursor_open(&cursor, psprintf(READ_STALE, closing->tables->quoted),
					&arguments, CDR_AS_OF_NOW, SLICE_OF_CALLS);
	closing->ncalls = 0;
	while (cdr_cursor_next(&cursor) != NULL)
	{
		StaleCall *stale = &closing->calls[closing->ncalls++];

		cdr_stored_call(&cursor, &stale->call);
		stale->before = next_use_of(closing, &stale->call);
		if (stale->call.last_event_time > closing->now)
			stale->before = Min(stale->before, closing->now);
		stale->own_time = CDR_NO_TIME;
		stale->last_time = CDR_NO_TIME;
		stale->received_at = CDR_NO_TIME;
	}
	cdr_cursor_close(&cursor);
}

static TimestampTz
time_or_none(const CdrCursor *cursor, int column)
{
	bool  isnull;
	Datum time = cdr_cursor_value(cursor, column, &isnull);

	return isnull ? CDR_NO_TIME : DatumGetTimestampTz(time);
}

/* Finds the last times of calls in the log. */
static void
find_last_times(Closing *closing)
{
	Datum		 ids[SLICE_OF_CALLS];
	Datum		 befores[SLICE_OF_CALLS];
	TimestampTz	 first = DT_NOEND;
	TimestampTz	 last = DT_NOBEGIN;
	CdrArguments arguments = {
		4,
		true,
		{TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID},
		{0}};
	CdrCursor cursor;
	int		  at = 0;

	for (int i = 0; i < closing->ncalls; i++)
	{
		const CdrCall *call = &closing->calls[i].call;

		ids[i] = CStringGetTextDatum(call->call_id);
		befores[i] = TimestampTzGetDatum(closing->calls[i].before);
		first = Min(first, call->first_event_time);
		last = Max(last, call->last_event_time);
	}
	arguments.values[0] = cdr_text_array(ids, closing->ncalls);
	arguments.values[1] = TimestampTzGetDatum(first);
	arguments.values[2] = TimestampTzGetDatum(last);
	arguments.values[3] = PointerGetDatum(construct_array(
		befores, closing->ncalls, TIMESTAMPTZOID, sizeof(TimestampTz),
		FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	cdr_cursor_open(&cursor, psprintf(LAST_TIMES, closing->tables->quoted),
					&arguments, CDR_AS_OF_NOW, SLICE_OF_CALLS);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		bool		isnull;
		const char *call_id =
			TextDatumGetCString(cdr_cursor_value(&cursor, 1, &isnull));

		/* both are in the same order */
		while (strcmp(closing->calls[at].call.call_id, call_id) != 0)
			at++;
		closing->calls[at].own_time = time_or_none(&cursor, 2);
		closing->calls[at].last_time = time_or_none(&cursor, 3);
		closing->calls[at].received_at = time_or_none(&cursor, 4);
	}
	cdr_cursor_close(&cursor);
}

/*
 * When a call ended that nobody ended: at the last time of its own that is known
 * of it before a time, corrected ones included; else at its last event.
 */
static TimestampTz
last_sign_of(const StaleCall *stale, TimestampTz before)
{
	static const CdrCorrectable times[] = {CDR_CORRECT_START_TIME,
										   CDR_CORRECT_RING_TIME,
										   CDR_CORRECT_ANSWER_TIME};
	const CdrCall			   *call = &stale->call;
	TimestampTz					last = stale->own_time;

	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		if (cdr_call_knows(call, reg) && call->facts[reg].time < before)
			last = Max(last, call->facts[reg].time);
	}
	for (int i = 0; i < (int) lengthof(times); i++)
	{
		const CdrSaid *said =
			cdr_corrections_said(call->corrections, times[i]);

		if (said != NULL && said->kind == CDR_SAID_VALUE)
			last = Max(last, said->time);
	}
	if (last != CDR_NO_TIME)
		return last;
	if (stale->before != DT_NOEND && stale->last_time != CDR_NO_TIME)
		return stale->last_time;
	return call->last_event_time;
}

/* Does the event end the call?  Not if a correction says that it is up. */
static bool
ends_call(const CdrCall *call, const CdrEvent *event)
{
	CdrCall		   closed = *call;
	StringInfoData state;
	CdrRow		   row;

	initStringInfo(&state);
	cdr_call_add(&closed, event);
	cdr_call_derive(&closed, &state, &row);
	pfree(state.data);
	return row.end_time != CDR_NO_TIME;
}

/* Makes the event that closes a call at a time; returns whether it ends it. */
static bool
make_closing(const Closing *closing, const CdrCall *call, TimestampTz now,
			 TimestampTz end, CdrEvent *event)
{
	StringInfoData body;

	cdr_made_begin(&body, CDR_CLOSED_TYPE, call->call_id, now);
	appendStringInfoString(&body, ",\"endTime\":");
	cdr_made_append_time(&body, end);
	cdr_made_end(&body, closing->maker, event);
	return ends_call(call, event);
}

/* Was nothing heard of the call for so long? */
static bool
is_stale(const Closing *closing, const StaleCall *stale)
{
	TimestampTz heard = stale->call.last_event_time;

	if (heard > closing->now)
		heard = stale->received_at != CDR_NO_TIME
					? stale->received_at
					: stale->call.first_event_time;
	return heard < closing->heard_before;
}

/*
 * Makes the events that close the calls in hand.  Where the answer in the row is
 * that of a later use of the Call-ID, or has not come yet, it ends after that.
 */
static void
make_closings(Closing *closing)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < closing->ncalls; i++)
	{
		const StaleCall *stale = &closing->calls[i];
		CdrEvent		*event = &closing->events[closing->nevents];

		if (!is_stale(closing, stale))
			continue;
		if (make_closing(closing, &stale->call, now,
						 last_sign_of(stale, stale->before), event) ||
			(stale->before != DT_NOEND &&
			 make_closing(closing, &stale->call, now,
						  last_sign_of(stale, DT_NOEND), event)))
			closing->nevents++;
	}
}

/* Closes the next calls, at most max of them; false: there is none any more. */
static bool
close_stale_slice(Closing *closing, int max)
{
	Datum ids[SLICE_OF_CALLS];
	int	  count = lock_stale(closing, max, ids);

	closing->nevents = 0;
	if (count == 0)
		return false;
	read_stale(closing, ids, count);
	if (closing->ncalls == 0)
		return true;
	find_last_times(closing);
	make_closings(closing);
	cdr_made_record(closing->events, closing->nevents);
	return true;
}

/* Closes calls, at most limit of them, through an open writer. */
static int64
close_calls(Closing *closing, int64 limit)
{
	CdrArguments arguments = {1,
							  false,
							  {TIMESTAMPTZOID},
							  {TimestampTzGetDatum(closing->heard_before)}};
	int64		 closed = 0;
	bool		 found = true;

	cdr_cursor_open(&closing->stale,
					psprintf(FIND_STALE, closing->tables->quoted), &arguments,
					CDR_AS_OF_NOW, SLICE_OF_CALLS);
	closing->slice = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service closing", ALLOCSET_DEFAULT_SIZES);
	while (found && closed < limit)
	{
		MemoryContext outer = MemoryContextSwitchTo(closing->slice);

		found = close_stale_slice(closing,
								  (int) Min(limit - closed, SLICE_OF_CALLS));
		closed += closing->nevents;
		MemoryContextSwitchTo(outer);
		MemoryContextReset(closing->slice);
	}
	cdr_cursor_close(&closing->stale);
	MemoryContextDelete(closing->slice);
	return closed;
}

/* How many calls at most. */
static int64
limit_argument(FunctionCallInfo fcinfo, int argument)
{
	int64 limit;

	cdr_require_argument(fcinfo, argument, "max_calls");
	limit = PG_GETARG_INT64(argument);
	if (limit <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_calls must be greater than 0")));
	return limit;
}

PG_FUNCTION_INFO_V1(cdr_close_stale_calls);

Datum
cdr_close_stale_calls(PG_FUNCTION_ARGS)
{
	Closing	 *closing = palloc0(sizeof(Closing));
	Interval  zero = {0};
	int64	  closed;
	int64	  limit;
	CdrMaker  maker;
	CdrTables tables;
	CdrRights rights;

	cdr_require_argument(fcinfo, 0, "older_than");
	if (DatumGetBool(DirectFunctionCall2(interval_le, PG_GETARG_DATUM(0),
										 IntervalPGetDatum(&zero))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("older_than must be greater than 0"),
						errhint("It should be longer than any call lasts "
								"without an event.")));
	maker = cdr_maker(fcinfo, 1);
	limit = limit_argument(fcinfo, 2);
	closing->tables = &tables;
	closing->maker = &maker;
	closing->now = GetCurrentTransactionStartTimestamp();
	closing->heard_before = DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_mi_interval, TimestampTzGetDatum(closing->now),
		PG_GETARG_DATUM(0)));
	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	closed = close_calls(closing, limit);
	cdr_writer_close(&rights);
	PG_RETURN_INT64(closed);
}

/* As far as the caller may read the log: calls alone are enough for a list. */
static const char *
last_receipt(const CdrTables *tables)
{
	if (pg_class_aclcheck(tables->table[CDR_CALL_EVENTS], GetUserId(),
						  ACL_SELECT) != ACLCHECK_OK)
		return "NULL";
	return psprintf(LAST_RECEIPT, tables->quoted);
}

PG_FUNCTION_INFO_V1(cdr_open_calls);

/* With the rights of the caller. */
Datum
cdr_open_calls(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	int			   guc_level;
	CdrTables	   tables;

	InitMaterializedSRF(fcinfo, 0);
	cdr_tables_require(&tables, AccessShareLock);
	guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	cdr_cursor_return(
		info, psprintf(LIST_STALE, tables.quoted, last_receipt(&tables)),
		NULL);
	SPI_finish();
	AtEOXact_GUC(false, guc_level);
	return (Datum) 0;
}
