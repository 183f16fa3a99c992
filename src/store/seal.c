/*-------------------------------------------------------------------------
 *
 * seal.c
 *	  Seals what was recorded.
 *
 * DELETE ... RETURNING takes exactly what is committed, so nothing has to be known
 * of transactions: an event that commits hours after others is sealed then.  One
 * transaction makes the seals, their entries of the log and the checkpoint over
 * it: after a crash all of these are there, or none, and the queue still has
 * what was taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/fault.h"
#include "store/locks.h"
#include "store/seal.h"
#include "store/seal_log.h"
#include "store/unlogged.h"
#include "store/unsealed.h"
#include "store/writer_query.h"

/* Batches, and about how many events, that are taken at once: they are in memory.
 * And about how many events one seal has. */
#define BATCHES_AT_ONCE 20000
#define EVENTS_AT_ONCE	131072
#define EVENTS_OF_SEAL	65536

/*
 * Batches of one day and one source become seals, in the order in which they were
 * recorded; and these, entries of log $1 from $2 on.  The leaves of a batch are in
 * the order of its times of recording, and no two batches overlap: so the ranges of
 * times say which events are of a seal.  Unless the clock was set back: what falls
 * into the times of others has a seal of its own kind, which lists its leaves.
 *
 * Of large batches there are the roots of each 8 leaves instead, and they have their
 * times alone (unsealed.c).  They stand side by side in one seal where the leaves of
 * the one before end with 8.
 */
#define SEAL_WAITING                                                                                            \
	"WITH taken AS (DELETE FROM %1$s.cdr_unsealed WHERE ctid = ANY (ARRAY("                                     \
	"SELECT ctid FROM (SELECT ctid, sum(n) OVER (ORDER BY lo, ctid) - n AS before"                              \
	" FROM (SELECT ctid, lo, n FROM %1$s.cdr_unsealed ORDER BY lo LIMIT %2$d) AS u) AS u"                       \
	" WHERE before < %3$d)) RETURNING *, leaves IS NULL AS large),"                                             \
	" known AS (SELECT *, NOT large AND (COALESCE(lo <= max(hi) OVER (PARTITION BY day ORDER BY lo, leaves"     \
	" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), false)"                                                \
	" OR COALESCE(hi >= min(lo) FILTER (WHERE large) OVER (PARTITION BY day ORDER BY lo, leaves"                \
	" ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), false)"                                                \
	" OR EXISTS (SELECT FROM %1$s.cdr_seals AS s WHERE s.day = taken.day AND s.hi >= taken.lo"                  \
	" AND s.lo <= taken.hi AND s.members && tstzrange(taken.lo, taken.hi, '[]'))) AS listed FROM taken),"       \
	" numbered AS (SELECT *, (sum(n) OVER (PARTITION BY day, source, listed, large ORDER BY lo, leaves) - 1)"   \
	" / %4$d AS part, COALESCE(sum((large AND n %% 8 <> 0)::int) OVER (PARTITION BY day, source, listed, large" \
	" ORDER BY lo, leaves ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS ended,"                      \
	" row_number() OVER (ORDER BY lo, leaves) AS rank FROM known),"                                             \
	" gathered AS (SELECT day, source, listed, large, part, ended, min(lo) AS lo, max(hi) AS hi,"               \
	" range_agg(tstzrange(lo, hi + interval '1 us')) AS members,"                                               \
	" sum(n)::int AS n FROM numbered GROUP BY 1, 2, 3, 4, 5, 6),"                                               \
	" hashed AS (SELECT day, source, listed, large, part, ended,"                                               \
	" array_agg(l.hash ORDER BY b.rank, l.place) AS hashes FROM numbered AS b,"                                 \
	" unnest(COALESCE(b.groups, b.leaves)) WITH ORDINALITY AS l(hash, place)"                                   \
	" GROUP BY 1, 2, 3, 4, 5, 6),"                                                                              \
	" trees AS (SELECT *, CASE WHEN large THEN hashes ELSE %1$s.cdr_tree_groups(hashes) END AS groups"          \
	" FROM gathered JOIN hashed USING (day, source, listed, large, part, ended)),"                              \
	" sealed AS (INSERT INTO %1$s.cdr_seals (log, log_index, day, lo, hi, n,"                                   \
	" source, root, groups, members, leaves)"                                                                   \
	" SELECT $1, $2 - 1 + row_number() OVER (ORDER BY lo, day, source, listed),"                                \
	" day, lo, hi, n, source, %1$s.cdr_tree_root(groups), groups, members,"                                     \
	" CASE WHEN listed THEN hashes END"                                                                         \
	" FROM trees RETURNING *)"                                                                                  \
	" INSERT INTO %1$s.cdr_log (log, log_index, entry)"                                                         \
	" SELECT log, log_index, %1$s.cdr_seal_entry(day, source, n, lo, hi, root)"                                 \
	" FROM sealed"

static void
run(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	int result =
		SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);

	if (result != expected)
		elog(ERROR, "SPI_execute_with_args failed: %s",
			 SPI_result_code_string(result));
}

bool
cdr_can_seal(const CdrTables *tables)
{
	return cdr_evidence_table_is_ours(tables, "cdr_unsealed") &&
		   cdr_evidence_table_is_ours(tables, "cdr_seals") &&
		   cdr_evidence_table_is_ours(tables, "cdr_log") &&
		   cdr_evidence_table_is_ours(tables, "cdr_checkpoints");
}

bool
cdr_has_unsealed(const CdrTables *tables)
{
	run(psprintf("SELECT FROM %s.cdr_unsealed LIMIT 1", tables->quoted), 0,
		NULL, NULL, SPI_OK_SELECT);
	return SPI_processed > 0 || cdr_has_unlogged(tables);
}

int64
cdr_seal_waiting(const CdrTables *tables)
{
	Oid		   types[2] = {INT4OID, INT8OID};
	Datum	   values[2];
	CdrSealLog log;
	int64	   sealed;

	cdr_lock_seals();
	cdr_seal_log_find(tables, &log);
	values[0] = Int32GetDatum(log.number);
	values[1] = Int64GetDatum(log.size + log.nfirst);
	run(psprintf(SEAL_WAITING, tables->quoted, BATCHES_AT_ONCE, EVENTS_AT_ONCE,
				 EVENTS_OF_SEAL),
		2, types, values, SPI_OK_INSERT);
	sealed = (int64) SPI_processed;
	sealed +=
		cdr_log_waiting(tables, log.number, log.size + log.nfirst + sealed);
	CDR_FAULT("after-seals");
	if (sealed > 0)
		cdr_seal_log_close(tables, &log);
	return sealed;
}

PG_FUNCTION_INFO_V1(cdr_seal);

Datum
cdr_seal(PG_FUNCTION_ARGS)
{
	CdrTables tables;
	CdrRights rights;
	int64	  sealed = 0;
	int64	  more;

	/* it must see what whoever sealed before it has done, after it has waited */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cdr_seal() needs a transaction of isolation READ "
						"COMMITTED")));
	cdr_writer_query_open(&tables, RowExclusiveLock, &rights);
	if (!cdr_can_seal(&tables))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the tables of evidence are missing"),
						errhint("Run SELECT %s.cdr_create_evidence_tables().",
								tables.quoted)));
	do
	{
		more = cdr_seal_waiting(&tables);
		sealed += more;
	} while (more > 0);
	cdr_writer_query_close(&rights);
	PG_RETURN_INT64(sealed);
}
