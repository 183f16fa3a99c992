/*-------------------------------------------------------------------------
 *
 * rollup_fold.c
 *	  The rollup, folded, made anew, and counted again.
 *
 * Locks.  Who deletes rows of the rollup holds cdr_lock_rollup(), so that each row is
 * deleted once; who makes it anew has locked calls before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/fault.h"
#include "store/locks.h"
#include "store/rollup_fold.h"
#include "store/rollup_pending.h"
#include "store/upkeep.h"

/* Rows that the worker folds in a transaction, and how long that may take. */
#define ROWS_AT_MOST 50000
#define PATIENCE	 ((CdrPatience){200, 10000})

void
cdr_rollup_recount(const CdrRollupTables *tables, Snapshot snapshot,
				   CdrRollup *rollup, const CdrRollupDrain *drain,
				   CdrProgress *progress)
{
	Relation		rel = table_open(tables->calls, AccessShareLock);
	TableScanDesc	scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	MemoryContext	context = AllocSetContextCreate(
		  CurrentMemoryContext, "cdr_service row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		cdr_rollup_count(rollup, slot, &tables->columns, 1);
		cdr_rollup_bound(rollup, drain);
		cdr_progress_add(progress, 1);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	table_close(rel, NoLock);
}

static void
write_drained(const CdrRollup *rollup, void *argument)
{
	cdr_rollup_write(*(Oid *) argument, rollup);
}

/*
 * What this transaction has changed and not written yet is in calls already, and will
 * be written, or goes with its subtransaction, this then with it: so it is taken
 * away.
 */
int64
cdr_rollup_rebuild(void)
{
	const CdrRollupTables *found = cdr_rollup_tables();
	CdrRollupTables		   tables;
	CdrRollup			  *rollup;
	CdrRollupDrain		   drain = {write_drained, &tables.sums};
	Snapshot			   snapshot;
	CdrProgress			   progress;
	int64				   before;

	if (found == NULL || !OidIsValid(found->calls))
		return 0;
	tables = *found;
	cdr_progress_begin(&progress, CDR_WORK_REBUILD_ROLLUP, -1);
	cdr_progress_phase(&progress, CDR_PHASE_LOCKING, -1);
	LockRelationOid(tables.calls, ShareRowExclusiveLock);
	cdr_lock_rollup();
	cdr_progress_phase(&progress, CDR_PHASE_READING_CALLS, -1);
	before = cdr_rollup_take(tables.deltas, 0, NULL);
	before += cdr_rollup_take(tables.sums, 0, NULL);
	rollup = cdr_rollup_create(CurrentMemoryContext);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (tables.fits)
		cdr_rollup_recount(&tables, snapshot, rollup, &drain, &progress);
	cdr_rollup_join_pending(rollup, -1);
	cdr_rollup_write(tables.sums, rollup);
	UnregisterSnapshot(snapshot);
	cdr_rollup_free(rollup);
	CommandCounterIncrement();
	cdr_progress_end();
	return before;
}

int64
cdr_rollup_fold(const CdrRollupTables *found, int64 at_most)
{
	CdrRollupTables tables = *found;
	CdrRollup	   *rollup = cdr_rollup_create(CurrentMemoryContext);
	int64			folded = 0;
	int64			taken;
	CdrProgress		progress;

	cdr_progress_begin(&progress, CDR_WORK_FOLD_ROLLUP, -1);
	do
	{
		taken =
			cdr_rollup_take(tables.deltas, CDR_ROLLUP_KEYS_AT_MOST, rollup);
		CDR_FAULT("while-folding");
		cdr_rollup_take_keys(tables.sums, rollup);
		cdr_rollup_write(tables.sums, rollup);
		cdr_rollup_clear(rollup);
		CommandCounterIncrement();
		folded += taken;
		cdr_progress_add(&progress, taken);
	} while (taken > 0 && folded < at_most);
	cdr_progress_end();
	cdr_rollup_free(rollup);
	return folded;
}

static bool
fold_in_transaction(void)
{
	const CdrRollupTables *tables;
	int64				   folded = 0;

	cdr_upkeep_begin("cdr_service: folding the rollup", PATIENCE);
	tables = cdr_rollup_tables();
	if (tables != NULL && cdr_try_lock_rollup())
		folded = cdr_rollup_fold(tables, ROWS_AT_MOST);
	cdr_upkeep_end();
	return folded >= ROWS_AT_MOST;
}

bool
cdr_rollup_maintain(bool *more, CdrReasonBuffer *reason)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = true;

	*more = false;
	PG_TRY();
	{
		*more = fold_in_transaction();
	}
	PG_CATCH();
	{
		cdr_upkeep_failed("fold the rollup", context, NULL, NULL, reason);
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}
