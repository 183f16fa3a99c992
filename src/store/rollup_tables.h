/*-------------------------------------------------------------------------
 *
 * rollup_tables.h
 *	  The tables of the rollup: where they are, read and written.
 *
 * Two tables with the same columns.  What transactions change is appended to the
 * one (deltas), so that nobody waits for anybody; folding moves it into the other
 * (sums), which has an index.  Both together are the rollup: a key may have
 * several rows in either, of which the sum counts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_TABLES_H
#define CDR_ROLLUP_TABLES_H

#include "utils/snapshot.h"

#include "store/rollup_call.h"
#include "store/rollup_steps.h"

typedef struct CdrRollupTables
{
	Oid				 extension;
	Oid				 calls; /* InvalidOid: there is none of that name */
	Oid				 deltas;
	Oid				 sums;
	bool			 fits; /* calls has what is counted by */
	CdrRollupColumns columns;
} CdrRollupTables;

/*
 * The tables; NULL where there is no rollup, as beside an older version of the
 * extension.  What is returned is good until the relation cache changes.
 */
extern const CdrRollupTables *cdr_rollup_tables(void);

/*
 * Appends the entries that are not zero to a table.  No trigger or rule runs, no
 * rights are needed, and who decodes the WAL logically does not see it: a
 * subscriber counts by itself.
 */
extern void cdr_rollup_write(Oid table, const CdrRollup *rollup);

/* Adds what a snapshot sees of the rows of some buckets. */
extern void cdr_rollup_read(Oid table, Snapshot snapshot, TimestampTz from,
							TimestampTz to, CdrRollup *rollup);

/* Adds it up by steps. */
extern void cdr_rollup_read_steps(Oid table, Snapshot snapshot,
								  CdrRollupSteps *steps, CdrRollup *rollup);

/* Drains all of it, so that what is left in the rollup is less than too much. */
extern void
cdr_rollup_read_all(Oid table, Snapshot snapshot, const CdrRollupDrain *drain,
					CdrRollup *rollup);

/*
 * The same of all rows, which are deleted; until there are so many keys.  Returns how
 * many rows these were, or 0 when there are no more.  Rows that others delete
 * meanwhile are an ERROR: see cdr_lock_rollup().
 */
extern int64
cdr_rollup_take(Oid table, uint32 keys_at_most, CdrRollup *rollup);

/* The same of those rows in sums that have the keys. */
extern void cdr_rollup_take_keys(Oid sums, CdrRollup *rollup);

#endif /* CDR_ROLLUP_TABLES_H */
