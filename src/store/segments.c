/*-------------------------------------------------------------------------
 *
 * segments.c
 *	  SQL: the stretches of a Call-ID that was used again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/call_values.h"
#include "store/log_segments.h"
#include "store/reader_query.h"

/* All columns of a call but merge_state, its number, and what is computed. */
#define SEGMENT_NCOLUMNS (CDR_CALL_NCOLUMNS - 1 + 4)

/* The values of a row of the result, put in one after the other. */
typedef struct SegmentRow
{
	int	  count;
	Datum values[SEGMENT_NCOLUMNS];
	bool  nulls[SEGMENT_NCOLUMNS];
} SegmentRow;

static void
segment_put(SegmentRow *row, Datum value, bool isnull)
{
	row->values[row->count] = value;
	row->nulls[row->count++] = isnull;
}

static void
segment_put_seconds(SegmentRow *row, int64 seconds)
{
	segment_put(row, Int64GetDatum(seconds), seconds == CDR_NO_SECONDS);
}

static void
segment_put_time(SegmentRow *row, TimestampTz time)
{
	segment_put(row, TimestampTzGetDatum(time), time == CDR_NO_TIME);
}

/* The columns of history.sql: those of calls, in their order. */
static void
return_segment(ReturnSetInfo *info, const CdrCall *call, int64 number)
{
	SegmentRow	   row = {.count = 0};
	Datum		   values[CDR_CALL_NCOLUMNS];
	bool		   nulls[CDR_CALL_NCOLUMNS];
	StringInfoData state;
	CdrRow		   said;

	initStringInfo(&state);
	cdr_call_derive(call, &state, &said);
	cdr_call_values(call, values, nulls);
	for (int i = 0; i < CDR_CALL_NCOLUMNS; i++)
	{
		if (i == CDR_AT_status)
			segment_put(&row, Int64GetDatum(number), false);
		else if (i == CDR_AT_hangup_cause)
		{
			segment_put_time(&row, cdr_row_attempt(&said));
			segment_put_seconds(&row, cdr_row_duration(&said));
			segment_put_seconds(&row, cdr_row_billable(&said));
		}
		if (i != CDR_AT_merge_state)
			segment_put(&row, values[i], nulls[i]);
	}
	Assert(row.count == SEGMENT_NCOLUMNS &&
		   info->setDesc->natts == SEGMENT_NCOLUMNS);
	tuplestore_putvalues(info->setResult, info->setDesc, row.values,
						 row.nulls);
}

PG_FUNCTION_INFO_V1(cdr_call_segments);

/* With the rights of the caller.  Events of no call make none. */
Datum
cdr_call_segments(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		   call_id = PG_GETARG_DATUM(0);
	MemoryContext  context = AllocSetContextCreate(
		 CurrentMemoryContext, "cdr_service segment", ALLOCSET_DEFAULT_SIZES);
	CdrTables	   tables;
	CdrLogSegments log;
	CdrSegment	   segment;
	int			   guc_level;

	InitMaterializedSRF(fcinfo, 0);
	if (VARSIZE_ANY_EXHDR(DatumGetTextPP(call_id)) == 0)
		return (Datum) 0;
	guc_level = cdr_reader_query_open(&tables);
	cdr_log_segments_open(&log, &tables, call_id);
	for (int64 number = 1; cdr_log_segments_next(&log, context, &segment);
		 number++)
	{
		MemoryContext outer = MemoryContextSwitchTo(context);

		return_segment(info, &segment.call, number);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
	}
	cdr_log_segments_close(&log);
	cdr_reader_query_close(guc_level);
	MemoryContextDelete(context);
	return (Datum) 0;
}
