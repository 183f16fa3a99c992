/*-------------------------------------------------------------------------
 *
 * record.c
 *	  Records events: into the log, and exactly those that are new into calls.
 *
 * Of many events that somebody hands over, all are new, as a rule.  To insert them
 * with ON CONFLICT would search the index twice for each, and make its row twice.  So
 * they are inserted as if they were new, in a subtransaction, and with ON CONFLICT if
 * one of them is not.
 *
 * Memory.  Events belong to the caller.  What the statements need is built in a
 * context of its own and freed with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/fault.h"
#include "store/call_events.h"
#include "store/calls.h"
#include "store/erased.h"
#include "store/record.h"
#include "store/resent.h"
#include "store/retired.h"
#include "store/unsealed.h"

/* Bytes of WAL; to wake the WAL writer for less costs more than it gives. */
#define WORTH_TO_FLUSH (512 * 1024)

/* So few events are not worth a subtransaction. */
#define WORTH_TO_TRY 50

/* Beyond what a backend shows others of its subtransactions (64), these have to look
 * them up, whatever they read; and not all of that is ours. */
#define SUBTRANSACTIONS_MOST 32

/* Of so many, none is tried after one that held an event that was recorded: for there
 * will be more. */
#define WARY_TIMES 30
static int wary = 0;

static void
count_recorded(CdrEvent **events, int count, CdrRecorded *recorded)
{
	recorded->events += count;
	for (int i = 0; i < count; i++)
	{
		/* one event, one counter, whose hint says where to look */
		if (cdr_event_is_unmapped(events[i]))
			recorded->unmapped++;
		else if (cdr_event_lacks_call(events[i]))
			recorded->without_call++;
		if (cdr_event_lacks_time(events[i]))
			recorded->without_time++;
	}
}

/*
 * Most of what a batch writes ahead is of its events.  The WAL writer may flush that
 * while the calls are merged: then the commit waits for what is left alone.  (Of less
 * than it flushes at once, it would flush nothing: wal_writer_flush_after.)
 */
static void
flush_meanwhile(XLogRecPtr began)
{
	XLogRecPtr reached = GetXLogInsertRecPtr();

	if (reached - began >= WORTH_TO_FLUSH)
		XLogSetAsyncXactLSN(reached);
}

static bool
is_worth_to_try(int count)
{
	if (count < WORTH_TO_TRY ||
		MyProc->subxidStatus.count >= SUBTRANSACTIONS_MOST)
		return false;
	if (wary == 0)
		return true;
	wary--;
	return false;
}

/* Inserts events if all are new; if not, nothing is written. */
static bool
insert_if_new(CdrEvent **events, int count)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		cdr_call_events_insert_new(events, count);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
		ReThrowError(error);
	FreeErrorData(error);
	wary = WARY_TIMES;
	return false;
}

/* Inserts events; leaves in the array those that were new, and returns how many. */
static int
insert_events_of(CdrEvent **events, int count, CdrNovelty novelty,
				 bool may_be_known)
{
	if (novelty == CDR_MOSTLY_NEW)
		cdr_call_events_insert_new(events, count);
	else if (novelty != CDR_LIKELY_NEW || may_be_known ||
			 !is_worth_to_try(count) || !insert_if_new(events, count))
		return cdr_call_events_insert(events, count);
	return count;
}

/* Merges events, and looks again whether all of them are new. */
static void
merge_calls_of(CdrEvent **events, int count, const CdrCallSpans *before,
			   bool mostly_new)
{
	CdrCallSpans merged;

	if (cdr_resent_are_among(events, count))
	{
		cdr_calls_merge(events, count, mostly_new, &merged);
		cdr_resent_refuse(events, count, before, &merged, mostly_new);
	}
	else
		cdr_calls_merge(events, count, mostly_new, NULL);
}

void
cdr_record_events(CdrEvent **events, int count, CdrNovelty novelty,
				  CdrRecorded *recorded)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service statement", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	CdrEvent	**work = palloc(Max(count, 1) * sizeof(CdrEvent *));
	XLogRecPtr	  began = GetXLogInsertRecPtr();
	bool		  mostly_new = novelty == CDR_MOSTLY_NEW;
	CdrCallSpans  before;
	bool		  may_be_known;
	int			  fresh;

	memcpy(work, events, count * sizeof(CdrEvent *));
	if (cdr_erased_are_known())
		count = cdr_erased_recognise(work, count);
	CDR_FAULT("before-lookup");
	fresh = cdr_call_events_drop_known(work, count, mostly_new, &before,
									   &may_be_known);
	CDR_FAULT("before-insert");
	fresh = insert_events_of(work, fresh, novelty, may_be_known);
	cdr_retired_refuse(work, fresh);
	cdr_unsealed_add(work, fresh);
	flush_meanwhile(began);
	CDR_FAULT("before-merge");
	merge_calls_of(work, fresh, &before, mostly_new);
	CDR_FAULT("after-merge");

	MemoryContextSwitchTo(outer);
	count_recorded(work, fresh, recorded);
	MemoryContextDelete(context);
}
