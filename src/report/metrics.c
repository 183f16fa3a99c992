/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  SQL: counts of calls for monitoring.
 *
 * Whoever monitors may not read calls.  So these queries run as the role that
 * writes them, and return sums of which none tells of a person: neither numbers nor
 * users nor ids of calls.  They take no argument that could single out a call.
 *
 * They are asked for every few seconds: so they read what the index on the time
 * of the attempt finds, and no more.  What the views make of it is in metrics.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"

#include "store/cursor.h"
#include "store/writer_query.h"

/* Of a result, fetched at a time. */
#define ROWS_IN_HAND 1000

/* Bytes of the wire become a label: no longer than that, in characters. */
#define TENANT_OF_CALL "left(c.tenant_id::text, 64)"

/* Any text may stand in a mapped event. */
#define DIRECTION_OF_CALL                                          \
	"CASE WHEN c.direction IN ('inbound', 'outbound', 'internal')" \
	" THEN c.direction::text ELSE 'unknown' END"

/* Each call of the last hour has one outcome; cdr_traffic() counts them alike. */
#define COUNT_RECENT                                                                \
	"SELECT c.fresh, c.tenant_id, c.direction, c.outcome, count(*), count(c.talk)," \
	" COALESCE(extract(epoch FROM sum(c.talk)), 0)::float8, count(c.setup),"        \
	" COALESCE(extract(epoch FROM sum(c.setup)), 0)::float8"                        \
	" FROM (SELECT c.attempt_time >= now() - interval '5 min' AS fresh,"            \
	" " TENANT_OF_CALL " AS tenant_id, " DIRECTION_OF_CALL " AS direction,"         \
	" CASE WHEN c.answer_time IS NOT NULL THEN 'answered'"                          \
	" WHEN c.end_time IS NULL THEN 'undecided'"                                     \
	" WHEN c.disposition = 'ANSWERED' THEN 'presumed'"                              \
	" WHEN c.disposition IN ('BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER')"            \
	" THEN lower(c.disposition::text) ELSE 'undecided' END AS outcome,"             \
	" CASE WHEN c.end_time >= c.answer_time AND c.answer_time > '-infinity'"        \
	" AND c.end_time < 'infinity'"                                                  \
	" THEN c.end_time - c.answer_time END AS talk,"                                 \
	" CASE WHEN c.answer_time >= c.start_time AND c.answer_time < 'infinity'"       \
	" THEN c.answer_time - c.start_time END AS setup"                               \
	" FROM ONLY %s.calls AS c WHERE c.attempt_time >= now() - interval '1 hour'"    \
	" AND c.attempt_time < now()) AS c GROUP BY 1, 2, 3, 4"

/* What cdr_traffic() takes for occupied lines: calls that were tried in the last three
 * days, and heard of in the last one. */
#define COUNT_OPEN                                                                  \
	"SELECT " TENANT_OF_CALL ", " DIRECTION_OF_CALL ","                             \
	" count(*) FILTER (WHERE c.last_event_time >= now() - interval '24 hours'),"    \
	" count(*) FILTER (WHERE c.last_event_time >= now() - interval '24 hours'"      \
	" AND c.answer_time IS NOT NULL),"                                              \
	" count(*) FILTER (WHERE c.last_event_time < now() - interval '24 hours'),"     \
	" COALESCE(extract(epoch FROM now() - min(c.attempt_time)"                      \
	" FILTER (WHERE c.last_event_time >= now() - interval '24 hours')), 0)::float8" \
	" FROM ONLY %s.calls AS c WHERE c.attempt_time >= now() - interval '72 hours'"  \
	" AND c.attempt_time <= now() AND c.end_time IS NULL GROUP BY 1, 2"

/* The %s of the query is the schema.  Many tenants make many rows, but small ones. */
static void
return_metrics(FunctionCallInfo fcinfo, const char *query)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrTables	   tables;
	CdrRights	   rights;
	CdrCursor	   counts;
	HeapTuple	   row;

	InitMaterializedSRF(fcinfo, 0);
	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	cdr_cursor_open(&counts, psprintf(query, tables.quoted), NULL,
					CDR_AS_CALLER, ROWS_IN_HAND);
	while ((row = cdr_cursor_next(&counts)) != NULL)
		tuplestore_puttuple(info->setResult, row);
	cdr_cursor_close(&counts);
	cdr_writer_query_close(&rights);
}

PG_FUNCTION_INFO_V1(cdr_count_recent_calls);

Datum
cdr_count_recent_calls(PG_FUNCTION_ARGS)
{
	return_metrics(fcinfo, COUNT_RECENT);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(cdr_count_open_calls);

Datum
cdr_count_open_calls(PG_FUNCTION_ARGS)
{
	return_metrics(fcinfo, COUNT_OPEN);
	return (Datum) 0;
}
