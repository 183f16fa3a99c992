/*-------------------------------------------------------------------------
 *
 * rebuild.c
 *	  SQL: the stored calls, compared with the log and written anew from it.
 *
 * Values are compared as what they are in the log: a DBA may have made text a
 * varchar, say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "storage/lmgr.h"

#include "call/columns.h"
#include "store/table_columns.h"
#include "store/tables.h"
#include "store/writer_query.h"

/* clang-format off */

#define NAME(name, type, reg)		", " #name
#define STORED(name, type, reg)		", c." #name "::" CDR_SQL_##type
#define COMPUTED(name, type, reg)	", r." #name
#define OVERWRITE(name, type, reg)	", " #name " = EXCLUDED." #name

/* Calls that differ; each %1$s is the schema. */
#define DIFFERENT_CALLS \
	"SELECT COALESCE(s.call_id, e.call_id) AS call_id," \
	" to_jsonb(s) AS stored, to_jsonb(e) AS expected" \
	" FROM (SELECT c.call_id::text COLLATE \"default\"" \
	CDR_CALL_VALUES(STORED) " FROM ONLY %1$s.calls AS c) AS s" \
	" FULL JOIN %1$s.cdr_calls_from_log() AS e ON s.call_id = e.call_id" \
	" WHERE s.* IS DISTINCT FROM e.*"

/*
 * A call that has counted more events than the log holds lost them to
 * retention: what it says is all that is left of them, unless $1 (prune).
 */
#define REBUILD_CALLS \
	"WITH wrong AS MATERIALIZED (SELECT v.call_id, v.expected" \
	" FROM (" DIFFERENT_CALLS ") AS v" \
	" WHERE $1 OR v.stored IS NULL" \
	" OR (v.expected ->> 'event_count')::bigint" \
	" >= (v.stored ->> 'event_count')::bigint)," \
	" removed AS (DELETE FROM ONLY %1$s.calls AS c USING wrong AS w" \
	" WHERE c.call_id = w.call_id AND w.expected IS NULL)," \
	" rebuilt AS (INSERT INTO %1$s.calls AS c" \
	" (call_id" CDR_CALL_VALUES(NAME) ")" \
	" SELECT r.call_id" CDR_CALL_VALUES(COMPUTED) " FROM wrong AS w," \
	" jsonb_populate_record(NULL::%1$s.calls, w.expected) AS r" \
	" WHERE w.expected IS NOT NULL" \
	" ON CONFLICT (call_id) DO UPDATE SET call_id = EXCLUDED.call_id" \
	CDR_CALL_VALUES(OVERWRITE) ")" \
	" SELECT count(*) FROM wrong"

/* clang-format on */

PG_FUNCTION_INFO_V1(cdr_verify_calls);

Datum
cdr_verify_calls(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrRights	   rights;

	InitMaterializedSRF(fcinfo, 0);
	cdr_writer_query_open(DIFFERENT_CALLS, InvalidOid, (Datum) 0, true,
						  &rights);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(info->setResult, SPI_tuptable->vals[row]);
	cdr_writer_query_close(&rights);
	return (Datum) 0;
}

/*
 * A batch that has logged events but not merged them waits for this lock, and
 * merges into what is left when it is released.  It is taken before the weaker
 * one that each statement takes, so that two rebuilds do not deadlock.
 */
static void
lock_out_batches(void)
{
	CdrTables tables;

	if (cdr_tables_find(&tables) && OidIsValid(tables.table[CDR_CALLS]))
		LockRelationOid(tables.table[CDR_CALLS], ShareRowExclusiveLock);
}

PG_FUNCTION_INFO_V1(cdr_rebuild_calls);

Datum
cdr_rebuild_calls(PG_FUNCTION_ARGS)
{
	CdrRights rights;
	bool	  isnull;
	int64	  rebuilt;

	lock_out_batches();
	cdr_writer_query_open(REBUILD_CALLS, BOOLOID, PG_GETARG_DATUM(0), false,
						  &rights);
	rebuilt = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	cdr_writer_query_close(&rights);
	PG_RETURN_INT64(rebuilt);
}
