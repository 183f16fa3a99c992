/*-------------------------------------------------------------------------
 *
 * unlogged.c
 *	  The table cdr_unlogged: entries of the log of seals that are no seals, and
 *	  wait for their place in it.
 *
 * Who holds, retires or erases records puts down what the log is to say of it, in
 * the same transaction: so it is said if it is done.  A place in the log is
 * the sealer's to give, who waits for nobody, and for whom nobody waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "store/unlogged.h"
#include "store/unsealed.h"

/* Entries that are logged at once. */
#define ENTRIES_AT_ONCE 10000

/* In the order in which they were put down; $1: the first place. */
#define LOG_WAITING                                                  \
	"WITH taken AS (DELETE FROM %1$s.cdr_unlogged WHERE ctid = ANY"  \
	" (ARRAY(SELECT ctid FROM %1$s.cdr_unlogged ORDER BY at, entry"  \
	" LIMIT %2$d)) RETURNING at, entry)"                             \
	" INSERT INTO %1$s.cdr_log (log, log_index, entry)"              \
	" SELECT %3$d, $1 - 1 + row_number() OVER (ORDER BY at, entry)," \
	" entry FROM taken"

bool
cdr_has_unlogged(const CdrTables *tables)
{
	if (!cdr_evidence_table_is_ours(tables, "cdr_unlogged"))
		return false;
	if (SPI_execute(
			psprintf("SELECT FROM %s.cdr_unlogged LIMIT 1", tables->quoted),
			false, 1) != SPI_OK_SELECT)
		elog(ERROR, "cdr_unlogged cannot be read");
	return SPI_processed > 0;
}

int64
cdr_log_waiting(const CdrTables *tables, int log, int64 log_index)
{
	Oid	  type = INT8OID;
	Datum value = Int64GetDatum(log_index);

	if (!cdr_evidence_table_is_ours(tables, "cdr_unlogged"))
		return 0;
	if (SPI_execute_with_args(
			psprintf(LOG_WAITING, tables->quoted, ENTRIES_AT_ONCE, log), 1,
			&type, &value, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "cdr_unlogged cannot be logged");
	return (int64) SPI_processed;
}
