/*-------------------------------------------------------------------------
 *
 * log_segments.c
 *	  The stretches of a Call-ID, computed from the log, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "store/log_event.h"
#include "store/log_segments.h"

/* Rows of the log that are fetched at a time. */
#define SEGMENTS_PORTION 10

void
cdr_log_segments_open(CdrLogSegments *log, const CdrTables *tables,
					  Datum call_id)
{
	CdrArguments arguments = {1, true, {TEXTOID}, {call_id}};
	char *sql = psprintf("SELECT " CDR_LOG_EVENT CDR_EVENTS_OF_STRETCHES,
						 tables->quoted);

	cdr_cursor_open(&log->cursor, sql, &arguments, CDR_AS_CALLER,
					SEGMENTS_PORTION);
	pfree(sql);
	cdr_segments_init(&log->segments, TextDatumGetCString(call_id));
	log->scratch = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service event", ALLOCSET_DEFAULT_SIZES);
	log->strings = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service call", ALLOCSET_DEFAULT_SIZES);
	log->strings_2 = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service call", ALLOCSET_DEFAULT_SIZES);
}

void
cdr_log_segments_close(CdrLogSegments *log)
{
	cdr_cursor_close(&log->cursor);
	MemoryContextDelete(log->scratch);
	MemoryContextDelete(log->strings);
	MemoryContextDelete(log->strings_2);
}

static bool
have_new_strings(const CdrSegments *segments, const CdrSegments *before)
{
	if (segments->open != before->open)
		return true;
	for (int i = 0; i < segments->open; i++)
	{
		if (cdr_call_has_new_strings(&segments->segments[i].call,
									 &before->segments[i].call))
			return true;
	}
	return false;
}

/* As keep_strings() of log_calls.c, for the stretches that are not complete. */
static void
keep_segment_strings(CdrLogSegments *log)
{
	MemoryContext into = log->strings_2;

	for (int i = 0; i < log->segments.open; i++)
		cdr_call_copy_strings(&log->segments.segments[i].call, into);
	log->strings_2 = log->strings;
	log->strings = into;
	MemoryContextReset(log->strings_2);
}

/* Adds the event of the row in hand. */
static bool
add_to_segments(CdrLogSegments *log, MemoryContext context, CdrSegment *done)
{
	CdrSegments	  before = log->segments;
	MemoryContext outer = MemoryContextSwitchTo(log->scratch);
	bool		  is_done = cdr_segments_add(
				 &log->segments, cdr_log_event(&log->cursor, before.call_id), done);

	if (is_done)
		cdr_call_copy_strings(&done->call, context);
	if (have_new_strings(&log->segments, &before))
		keep_segment_strings(log);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(log->scratch);
	return is_done;
}

bool
cdr_log_segments_next(CdrLogSegments *log, MemoryContext context,
					  CdrSegment *segment)
{
	while (cdr_cursor_next(&log->cursor) != NULL)
	{
		if (add_to_segments(log, context, segment))
			return true;
	}
	if (!cdr_segments_end(&log->segments, segment))
		return false;
	cdr_call_copy_strings(&segment->call, context);
	return true;
}
