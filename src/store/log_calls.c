/*-------------------------------------------------------------------------
 *
 * log_calls.c
 *	  Calls computed from the log, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/log_calls.h"
#include "store/log_event.h"

/* Rows of the log that are fetched at a time. */
#define LOG_PORTION 10

/* $1 is an array of ids.  COLLATE: whatever collation the column was given. */
#define READ_LOG                                                       \
	"SELECT " CDR_LOG_EVENT " FROM %s.call_events AS e"                \
	" WHERE e.call_id OPERATOR(pg_catalog.<>) ''%s ORDER BY e.call_id" \
	" COLLATE pg_catalog.\"C\""

static void
open_log(CdrLogCalls *log, const CdrTables *tables, const char *condition,
		 const CdrArguments *arguments, CdrCursorSees sees)
{
	char *sql = psprintf(READ_LOG, tables->quoted, condition);

	cdr_cursor_open(&log->cursor, sql, arguments, sees, LOG_PORTION);
	pfree(sql);
	log->has_row = cdr_cursor_next(&log->cursor) != NULL;
	log->scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service event", ALLOCSET_DEFAULT_SIZES);
	log->strings = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service call", ALLOCSET_DEFAULT_SIZES);
	log->strings_2 = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service call", ALLOCSET_DEFAULT_SIZES);
}

void
cdr_log_calls_open(CdrLogCalls *log, const CdrTables *tables, Datum ids,
				   CdrCursorSees sees)
{
	CdrArguments arguments = {
		ids == 0 ? 0 : 1, ids != 0, {TEXTARRAYOID}, {ids}};

	open_log(log, tables,
			 ids == 0 ? "" : " AND e.call_id OPERATOR(pg_catalog.=) ANY ($1)",
			 &arguments, sees);
}

void
cdr_log_calls_open_until(CdrLogCalls *log, const CdrTables *tables,
						 Datum call_id, TimestampTz until)
{
	CdrArguments arguments = {2,
							  true,
							  {TEXTOID, TIMESTAMPTZOID},
							  {call_id, TimestampTzGetDatum(until)}};

	open_log(log, tables,
			 " AND e.call_id OPERATOR(pg_catalog.=) $1 AND " CDR_RECORDED_AT
			 " OPERATOR(pg_catalog.<=) $2",
			 &arguments, CDR_AS_CALLER);
}

void
cdr_log_calls_close(CdrLogCalls *log)
{
	cdr_cursor_close(&log->cursor);
	MemoryContextDelete(log->scratch);
	MemoryContextDelete(log->strings);
	MemoryContextDelete(log->strings_2);
}

/* Takes the strings of the call, and its corrections, out of the event's memory,
 * and frees those that it no longer has. */
static void
keep_strings(CdrLogCalls *log, CdrCall *call)
{
	MemoryContext into = log->strings_2;

	cdr_call_copy_strings(call, into);
	log->strings_2 = log->strings;
	log->strings = into;
	MemoryContextReset(log->strings_2);
}

/* Adds the event of the row in hand. */
static void
add_row(CdrLogCalls *log, CdrCall *call)
{
	CdrCall		  before = *call;
	MemoryContext outer = MemoryContextSwitchTo(log->scratch);
	CdrEvent	 *event = cdr_log_event(&log->cursor, call->call_id);

	cdr_call_add(call, event);
	log->is_erased |= event->erased != NULL;
	if (cdr_call_has_new_strings(call, &before))
		keep_strings(log, call);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(log->scratch);
}

static bool
is_of_call(CdrLogCalls *log, const CdrCall *call)
{
	MemoryContext outer = MemoryContextSwitchTo(log->scratch);
	bool		  result = strcmp(cdr_log_text(&log->cursor, CDR_LOG_CALL_ID),
								  call->call_id) == 0;

	MemoryContextSwitchTo(outer);
	MemoryContextReset(log->scratch);
	return result;
}

bool
cdr_log_calls_next(CdrLogCalls *log, CdrCall *call)
{
	MemoryContext outer;

	if (!log->has_row)
		return false;
	MemoryContextReset(log->strings);
	log->is_erased = false;
	outer = MemoryContextSwitchTo(log->strings);
	cdr_call_init(call, cdr_log_text(&log->cursor, CDR_LOG_CALL_ID));
	MemoryContextSwitchTo(outer);
	do
	{
		add_row(log, call);
		log->has_row = cdr_cursor_next(&log->cursor) != NULL;
	} while (log->has_row && is_of_call(log, call));
	return true;
}
