/*-------------------------------------------------------------------------
 *
 * record.c
 *	  Records events: into the log, and exactly those that are new into calls.
 *
 * Memory.  Events belong to the caller.  What the statements need is built in a
 * context of its own and freed with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/memutils.h"

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
cdr_record_events(CdrEvent **events, int count, bool mostly_new,
				  CdrRecorded *recorded)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service statement", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	CdrEvent	**work = palloc(Max(count, 1) * sizeof(CdrEvent *));
	XLogRecPtr	  began = GetXLogInsertRecPtr();
	CdrCallSpans  before;
	int			  fresh;

	memcpy(work, events, count * sizeof(CdrEvent *));
	if (cdr_erased_are_known())
		count = cdr_erased_recognise(work, count);
	CDR_FAULT("before-lookup");
	fresh = cdr_call_events_drop_known(work, count, mostly_new, &before);
	CDR_FAULT("before-insert");
	if (mostly_new)
		cdr_call_events_insert_new(work, fresh);
	else
		fresh = cdr_call_events_insert(work, fresh);
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
