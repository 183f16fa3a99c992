/*-------------------------------------------------------------------------
 *
 * rollup_pending.c
 *	  What the transaction has changed and not written to the rollup yet.
 *
 * Counts gather in memory, so that many changes of a transaction make few rows, and
 * are written right before it commits (or is prepared).  Until then, who reads the
 * rollup in the same transaction adds them.  (Statement triggers would not do: the
 * apply worker of a subscription does not fire any.)
 *
 * What a subtransaction has changed goes with it when it is rolled back, so
 * each has counts of its own, which its parent takes over when it commits.
 *
 * Memory.  Counts live in TopTransactionContext.  Each subtransaction writes its own
 * when they become too many, the fewer the more subtransactions there are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/fault.h"
#include "store/rollup_pending.h"
#include "store/rollup_tables.h"

/* So much memory is taken, divided by the depth; but so many keys at least. */
#define MEMORY_MAX	  (4 * 1024 * 1024)
#define KEYS_AT_LEAST 64

typedef struct Pending
{
	struct Pending *outer;
	int				level; /* of subtransactions */
	CdrRollup	   *rollup;
} Pending;

/* The innermost; in TopTransactionContext. */
static Pending *pending = NULL;

static void
write_pending(const Pending *p)
{
	const CdrRollupTables *tables = cdr_rollup_tables();

	CDR_FAULT("before-rollup");
	/* an extension that is gone takes its rollup along */
	if (tables != NULL && cdr_rollup_size(p->rollup) > 0)
		cdr_rollup_write(tables->deltas, p->rollup);
}

static void
pop_pending(void)
{
	Pending *p = pending;

	pending = p->outer;
	cdr_rollup_free(p->rollup);
	pfree(p);
}

static void
end_transaction(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			for (const Pending *p = pending; p != NULL; p = p->outer)
				write_pending(p);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			/* its memory goes with the transaction */
			pending = NULL;
			break;
		default:
			break;
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId id,
				   SubTransactionId parent, void *argument)
{
	int level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Pending *p = pending; p != NULL && p->level == level;
			 p = p->outer)
			p->level--;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (pending != NULL && pending->level >= level)
			pop_pending();
	}
}

/* What subtransactions have left to the same parent becomes one. */
static void
join_equals(void)
{
	while (pending != NULL && pending->outer != NULL &&
		   pending->outer->level == pending->level)
	{
		cdr_rollup_join(pending->outer->rollup, pending->rollup, 1);
		pop_pending();
	}
}

static void
push_pending(int level)
{
	static bool			   is_registered = false;
	const CdrRollupTables *tables = cdr_rollup_tables();
	Pending				  *p;

	if (!is_registered)
	{
		RegisterXactCallback(end_transaction, NULL);
		RegisterSubXactCallback(end_subtransaction, NULL);
		is_registered = true;
	}
	/* now, while a statement's limits of time hold, and not at the commit */
	if (tables != NULL)
		LockRelationOid(tables->deltas, RowExclusiveLock);
	p = MemoryContextAlloc(TopTransactionContext, sizeof(Pending));
	p->outer = pending;
	p->level = level;
	p->rollup = cdr_rollup_create(TopTransactionContext);
	pending = p;
}

CdrRollup *
cdr_rollup_pending(void)
{
	int level = GetCurrentTransactionNestLevel();

	if (pending == NULL || pending->level < level ||
		(pending->outer != NULL && pending->outer->level == pending->level))
	{
		join_equals();
		if (pending == NULL || pending->level < level)
			push_pending(level);
	}
	return pending->rollup;
}

void
cdr_rollup_bound_pending(void)
{
	CdrRollup *full = pending->rollup;
	int		   depth = 0;

	if (cdr_rollup_size(full) <= KEYS_AT_LEAST)
		return;
	for (const Pending *p = pending; p != NULL; p = p->outer)
		depth++;
	if (cdr_rollup_memory(full) <= (size_t) (MEMORY_MAX / depth))
		return;
	write_pending(pending);
	/* with the memory that its table has grown to */
	pending->rollup = cdr_rollup_create(TopTransactionContext);
	cdr_rollup_free(full);
}

void
cdr_rollup_join_pending(CdrRollup *rollup, int sign)
{
	for (const Pending *p = pending; p != NULL; p = p->outer)
		cdr_rollup_join(rollup, p->rollup, sign);
}
