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

#include "base/compat.h"
#include "base/result.h"
#include "store/log_segments.h"
#include "store/reader_query.h"
#include "store/shown_call.h"

/* The columns of history.sql: those of calls, with a number after call_id. */
static void
return_segment(ReturnSetInfo *info, const CdrCall *call, int64 number)
{
	Datum values[CDR_SHOWN_NCOLUMNS + 1];
	bool  nulls[CDR_SHOWN_NCOLUMNS + 1];

	cdr_shown_call(call, values + 1, nulls + 1);
	values[0] = values[1];
	nulls[0] = nulls[1];
	values[1] = Int64GetDatum(number);
	nulls[1] = false;
	CDR_PUT_ROW(info, values, nulls);
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
