/*-------------------------------------------------------------------------
 *
 * as_of.c
 *	  SQL: a call as it was known at a time.
 *
 * An event that was recorded after a time was not known then, and one that a
 * checkpoint of before covers was.  In between, its transaction may not have been
 * committed yet: nobody can tell afterwards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/result.h"
#include "store/log_calls.h"
#include "store/log_event.h"
#include "store/reader_query.h"
#include "store/shown_call.h"
#include "store/unsealed.h"

/* The columns beside those of a call. */
enum
{
	AS_OF_CERTAIN = CDR_SHOWN_NCOLUMNS,
	AS_OF_ERASED,
	AS_OF_RETIRED,
	AS_OF_NCOLUMNS
};

/* The events, recorded until $2, of the call $1. */
#define KNOWN_EVENTS                                                  \
	" FROM %1$s.call_events AS e"                                     \
	" WHERE e.call_id OPERATOR(pg_catalog.=) $1 AND " CDR_RECORDED_AT \
	" OPERATOR(pg_catalog.<=) $2"

/* Is an event in no seal that a checkpoint of until $2 covers? */
#define IS_UNCERTAIN                                                       \
	"e.recorded_at IS NULL OR NOT EXISTS (SELECT FROM %1$s.cdr_seals AS s" \
	" WHERE s.day = (e.event_time AT TIME ZONE 'UTC')::pg_catalog.date"    \
	" AND s.lo <= e.recorded_at AND s.hi >= e.recorded_at"                 \
	" AND s.members @> e.recorded_at AND EXISTS (SELECT"                   \
	" FROM %1$s.cdr_checkpoints AS c WHERE c.log = s.log"                  \
	" AND c.size > s.log_index AND c.taken_at <= $2))"

/* The columns beside, and whether there is a row of the call. */
#define READ_BESIDE                                                    \
	"SELECT NOT EXISTS (SELECT" KNOWN_EVENTS " AND (%2$s)),"           \
	" (SELECT pg_catalog.count(*)" KNOWN_EVENTS                        \
	" AND e.content_digest IS NOT NULL),"                              \
	" (SELECT GREATEST(c.event_count - (SELECT pg_catalog.count(*)"    \
	" FROM %1$s.call_events AS e"                                      \
	" WHERE e.call_id OPERATOR(pg_catalog.=) $1), 0)::pg_catalog.int8" \
	" FROM ONLY %1$s.calls AS c WHERE c.call_id OPERATOR(pg_catalog.=) $1)"

/* Without seals, nothing is certain. */
static const char *
uncertain_condition(const CdrTables *tables)
{
	if (cdr_evidence_table_is_ours(tables, "cdr_seals") &&
		cdr_evidence_table_is_ours(tables, "cdr_checkpoints"))
		return psprintf(IS_UNCERTAIN, tables->quoted);
	return "true";
}

static void
read_beside(const CdrTables *tables, Datum call_id, TimestampTz at,
			Datum *values, bool *nulls)
{
	CdrArguments arguments = {2,
							  true,
							  {TEXTOID, TIMESTAMPTZOID},
							  {call_id, TimestampTzGetDatum(at)}};
	CdrCursor	 cursor;

	cdr_cursor_open(
		&cursor,
		psprintf(READ_BESIDE, tables->quoted, uncertain_condition(tables)),
		&arguments, CDR_AS_CALLER, 1);
	(void) cdr_cursor_next(&cursor);
	for (int i = AS_OF_CERTAIN; i < AS_OF_NCOLUMNS; i++)
		values[i] =
			cdr_cursor_value(&cursor, i - AS_OF_CERTAIN + 1, &nulls[i]);
	cdr_cursor_close(&cursor);
	/* without a row, nothing is known to have been retired */
	if (nulls[AS_OF_RETIRED])
		values[AS_OF_RETIRED] = Int64GetDatum(0);
	nulls[AS_OF_RETIRED] = false;
	/* what was retired may have been known, or not */
	if (DatumGetInt64(values[AS_OF_RETIRED]) > 0)
		values[AS_OF_CERTAIN] = BoolGetDatum(false);
}

/* What the events that were known say; nothing if there are none. */
static bool
read_known(const CdrTables *tables, Datum call_id, TimestampTz at,
		   Datum *values, bool *nulls)
{
	CdrLogCalls log;
	CdrCall		call;
	bool		is_known;

	cdr_log_calls_open_until(&log, tables, call_id, at);
	is_known = cdr_log_calls_next(&log, &call);
	if (is_known)
		cdr_shown_call(&call, values, nulls);
	else
	{
		memset(nulls, true, CDR_SHOWN_NCOLUMNS);
		values[CDR_AT_call_id] = call_id;
		nulls[CDR_AT_call_id] = false;
	}
	cdr_log_calls_close(&log);
	return is_known;
}

PG_FUNCTION_INFO_V1(cdr_call_as_of);

/* With the rights of the caller. */
Datum
cdr_call_as_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		   call_id = PG_GETARG_DATUM(0);
	TimestampTz	   at = PG_GETARG_TIMESTAMPTZ(1);
	Datum		   values[AS_OF_NCOLUMNS];
	bool		   nulls[AS_OF_NCOLUMNS];
	CdrTables	   tables;
	int			   guc_level;
	bool		   is_known;

	InitMaterializedSRF(fcinfo, 0);
	if (at > GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must not be in the future"),
				 errdetail("What will be known then, nobody can tell.")));
	guc_level = cdr_reader_query_open(&tables);
	is_known = read_known(&tables, call_id, at, values, nulls);
	read_beside(&tables, call_id, at, values, nulls);
	if (is_known || DatumGetInt64(values[AS_OF_RETIRED]) > 0)
		CDR_PUT_ROW(info, values, nulls);
	cdr_reader_query_close(guc_level);
	return (Datum) 0;
}
