/*-------------------------------------------------------------------------
 *
 * close.c
 *	  SQL: calls that nobody ended, listed and closed.
 *
 * A closing is an event, which gives its call an end where no other ends it.  It
 * says when that was: at the call's last event that has a time of its own, and
 * of a Call-ID that was used again, at that of the first call.
 *
 * Calls are taken in the one order of calls, a few at a time: their rows are
 * locked until the caller's transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
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

#define READ_STALE                                               \
	CDR_READ_CALLS                                               \
	" WHERE c.end_time IS NULL AND c.last_event_time < now() - " \
	"$1 ORDER BY c.call_id COLLATE \"C\""

/* Of some calls ($1), whose events lie between two times, each with one of its own:
 * the last of these before the Call-ID was used again ($4). */
#define OWN_TIMES                                                               \
	"SELECT e.call_id::text, max(e.event_time) FROM %s.call_events AS e"        \
	" JOIN unnest($1, $4) AS s(call_id, next_use)"                              \
	" ON s.call_id = e.call_id AND s.next_use > e.event_time"                   \
	" WHERE e.call_id = ANY ($1) AND e.event_time >= $2 AND e.event_time <= $3" \
	" AND e.time_source IN ('b', 'p') GROUP BY e.call_id"                       \
	" ORDER BY e.call_id COLLATE \"C\""

#define LIST_STALE                                                            \
	"SELECT c.call_id, c.status, c.caller_number, c.callee_number,"           \
	" c.tenant_id, c.start_time, c.answer_time, c.last_event_time,"           \
	" now() - c.last_event_time FROM ONLY %s.calls AS c WHERE c.end_time IS " \
	"NULL ORDER BY c.last_event_time, c.call_id"

typedef struct StaleCall
{
	CdrCall		call;
	TimestampTz next_use; /* when its Call-ID was used again; or DT_NOEND */
	TimestampTz own_time; /* the last one in the log; or CDR_NO_TIME */
} StaleCall;

typedef struct Closing
{
	const CdrTables *tables;
	const CdrMaker	*maker;
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

/* The next calls that seem to be stale; false: there is none. */
static bool
take_stale(Closing *closing)
{
	closing->ncalls = 0;
	while (closing->ncalls < SLICE_OF_CALLS &&
		   cdr_cursor_next(&closing->stale) != NULL)
	{
		StaleCall *stale = &closing->calls[closing->ncalls++];

		cdr_stored_call(&closing->stale, &stale->call);
		stale->next_use = next_use_of(closing, &stale->call);
		stale->own_time = CDR_NO_TIME;
	}
	return closing->ncalls > 0;
}

/* Finds the last times in the log that calls have of their own. */
static void
find_own_times(Closing *closing)
{
	Datum		 ids[SLICE_OF_CALLS];
	Datum		 next_uses[SLICE_OF_CALLS];
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
		next_uses[i] = TimestampTzGetDatum(closing->calls[i].next_use);
		first = Min(first, call->first_event_time);
		last = Max(last, call->last_event_time);
	}
	arguments.values[0] = cdr_text_array(ids, closing->ncalls);
	arguments.values[1] = TimestampTzGetDatum(first);
	arguments.values[2] = TimestampTzGetDatum(last);
	arguments.values[3] = PointerGetDatum(construct_array(
		next_uses, closing->ncalls, TIMESTAMPTZOID, sizeof(TimestampTz),
		FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	cdr_cursor_open(&cursor, psprintf(OWN_TIMES, closing->tables->quoted),
					&arguments, CDR_AS_OF_NOW, SLICE_OF_CALLS);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		bool		isnull;
		const char *call_id =
			TextDatumGetCString(cdr_cursor_value(&cursor, 1, &isnull));

		/* both are in the same order */
		while (strcmp(closing->calls[at].call.call_id, call_id) != 0)
			at++;
		closing->calls[at].own_time =
			DatumGetTimestampTz(cdr_cursor_value(&cursor, 2, &isnull));
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
	return last != CDR_NO_TIME ? last : call->last_event_time;
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

/*
 * Makes the events that close the calls in hand, at most limit of them.  Where
 * the answer in the row is that of a later use of the Call-ID, it ends after that.
 */
static void
make_closings(Closing *closing, int64 limit)
{
	TimestampTz now = GetCurrentTimestamp();

	closing->nevents = 0;
	for (int i = 0; i < closing->ncalls && closing->nevents < limit; i++)
	{
		const StaleCall *stale = &closing->calls[i];
		CdrEvent		*event = &closing->events[closing->nevents];

		if (make_closing(closing, &stale->call, now,
						 last_sign_of(stale, stale->next_use), event) ||
			(stale->next_use != DT_NOEND &&
			 make_closing(closing, &stale->call, now,
						  last_sign_of(stale, DT_NOEND), event)))
			closing->nevents++;
	}
}

/* Closes calls, at most limit of them, through an open writer. */
static int64
close_calls(Closing *closing, Datum older_than, int64 limit)
{
	CdrArguments arguments = {1, false, {INTERVALOID}, {older_than}};
	int64		 closed = 0;

	cdr_cursor_open(&closing->stale,
					psprintf(READ_STALE, closing->tables->quoted), &arguments,
					CDR_AS_OF_NOW, SLICE_OF_CALLS);
	closing->slice = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service closing", ALLOCSET_DEFAULT_SIZES);
	while (closed < limit)
	{
		MemoryContext outer = MemoryContextSwitchTo(closing->slice);
		bool		  found = take_stale(closing);

		if (found)
		{
			find_own_times(closing);
			make_closings(closing, limit - closed);
			cdr_made_record(closing->events, closing->nevents);
			closed += closing->nevents;
		}
		MemoryContextSwitchTo(outer);
		MemoryContextReset(closing->slice);
		if (!found)
			break;
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
	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	closed = close_calls(closing, PG_GETARG_DATUM(0), limit);
	cdr_writer_close(&rights);
	PG_RETURN_INT64(closed);
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
	cdr_cursor_return(info, psprintf(LIST_STALE, tables.quoted), NULL);
	SPI_finish();
	AtEOXact_GUC(false, guc_level);
	return (Datum) 0;
}
