/*-------------------------------------------------------------------------
 *
 * rollup_fold.h
 *	  The rollup, folded, made anew, and counted again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_FOLD_H
#define CDR_ROLLUP_FOLD_H

#include "base/progress.h"
#include "base/reason.h"
#include "store/rollup_tables.h"

/* Adds what a snapshot sees of calls: its rows of buckets between two times. */
extern void
cdr_rollup_recount(const CdrRollupTables *tables, Snapshot snapshot,
				   CdrRollup *rollup, const CdrRollupDrain *drain,
				   CdrProgress *progress);

/*
 * Makes the rollup anew from calls, while nobody changes them, whatever else this
 * transaction has changed.  Returns how many rows were there before.
 */
extern int64 cdr_rollup_rebuild(void);

/*
 * Moves rows from deltas to sums, so many at most; returns how many.  The lock is
 * held to the end of the transaction.
 */
extern int64 cdr_rollup_fold(const CdrRollupTables *tables, int64 at_most);

/*
 * The same in a transaction of its own, for the worker; another that does so
 * meanwhile is left alone.  False, with the reason, and logged, if it failed.
 */
extern bool cdr_rollup_maintain(bool *more, CdrReasonBuffer *reason);

#endif /* CDR_ROLLUP_FOLD_H */
