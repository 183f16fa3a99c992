/*-------------------------------------------------------------------------
 *
 * bisect.c
 *	  Stores what can be stored of some events; the others become dead letters.
 *
 * If the data of a batch fails, it is tried again in halves, each in a
 * subtransaction, down to the single events that fail: they become dead letters,
 * with the error as reason, and all others are stored.
 *
 * Of one event that a batch holds with several times, the first stands for all; the
 * others have their turn if the tables refuse that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "store/bisect.h"
#include "store/order.h"
#include "store/passing.h"
#include "store/record.h"

void
cdr_job_init(CdrJob *job, CdrEvent *events, int count)
{
	memset(job, 0, sizeof(CdrJob));
	job->context = CurrentMemoryContext;
	job->events = palloc(Max(count, 1) * sizeof(CdrEvent *));
	job->letters = palloc(Max(count, 1) * sizeof(CdrEvent *));
	for (int i = 0; i < count; i++)
	{
		if (events[i].reason == NULL)
			job->events[job->nevents++] = &events[i];
		else
			job->letters[job->nletters++] = &events[i];
	}
	job->others = palloc(Max(count, 1) * sizeof(CdrEvent *));
	job->nevents = cdr_sort_events_apart(job->events, job->nevents,
										 job->others, &job->nothers);
	job->nletters = cdr_sort_events(job->letters, job->nletters);
}

/*
 * Runs cdr_record_events() in a subtransaction.  Returns NULL, or the error, for
 * which nothing was written.
 */
static ErrorData *
try_events(CdrJob *job, CdrEvent **events, int count)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(
		context, "cdr_service events", ALLOCSET_DEFAULT_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		CdrRecorded recorded = job->recorded;

		cdr_record_events(events, count, CDR_PARTLY_NEW, &recorded);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		job->recorded = recorded;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(job->context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	/* also what a failed try has left behind */
	MemoryContextDelete(scratch);
	return error;
}

/* Would the tables take anything at all?  Tells bad tables from bad data. */
static bool
probe_tables(CdrJob *job)
{
	ErrorData *error = try_events(job, job->events, 0);

	if (error == NULL)
		return true;
	FreeErrorData(error);
	return false;
}

/* The reason that an error gives; the strings stay the error's. */
static CdrReason *
keep_reason(MemoryContext context, const ErrorData *error)
{
	CdrReason *reason = MemoryContextAlloc(context, sizeof(CdrReason));

	*reason = cdr_reason_of_error(error);
	return reason;
}

/*
 * Where the tables refuse an event, one that is the same with another time is looked at,
 * as it would be if it had come in another batch: they may take that.  If none is
 * taken, one dead letter tells of all.
 */
static void
try_others(CdrJob *job, const CdrEvent *refused)
{
	for (int i = 0; i < job->nothers; i++)
	{
		CdrEvent  *other = job->others[i];
		ErrorData *error;

		if (memcmp(&other->id, &refused->id, UUID_LEN) != 0 ||
			strcmp(other->call_id, refused->call_id) != 0)
			continue;
		error = try_events(job, &other, 1);
		if (error == NULL)
			return;
		if (cdr_error_passes(error->sqlerrcode))
			ReThrowError(error);
		FreeErrorData(error);
	}
}

void
cdr_bisect(CdrJob *job, CdrEvent **events, int count)
{
	ErrorData *error;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	error = try_events(job, events, count);
	if (error == NULL)
		return;
	if (cdr_error_passes(error->sqlerrcode))
		ReThrowError(error);
	if (count > 1)
	{
		FreeErrorData(error);
		cdr_bisect(job, events, count / 2);
		cdr_bisect(job, events + count / 2, count - count / 2);
		return;
	}
	if (count == 0 || !probe_tables(job))
		ReThrowError(error);

	events[0]->reason = keep_reason(job->context, error);
	job->letters[job->nletters++] = events[0];
	try_others(job, events[0]);
}
