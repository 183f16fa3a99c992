/*-------------------------------------------------------------------------
 *
 * trying.c
 *	  One try to store some messages, and what follows whatever they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/compat.h"
#include "worker/delay.h"
#include "worker/folding.h"
#include "worker/states.h"
#include "worker/stuck.h"
#include "worker/trying.h"

/* Milliseconds. */
#define TELL_INTERVAL 60000 /* of trouble that comes and goes */
#define TELL_EACH	  20	/* of an event that is slow, from here on */

bool
cdr_worker_may_tell(CdrMoment *not_before)
{
	if (cdr_milliseconds_until(*not_before) > 0)
		return false;
	*not_before = cdr_after(TELL_INTERVAL);
	return true;
}

void
cdr_worker_count_stored(CdrWorker *worker, const CdrBatchResult *result)
{
	worker->failed_stores = 0;
	worker->stats_pending = true;
	if (result->recorded + result->duplicates > 0)
		worker->storable_at = cdr_now();
	cdr_worker_fold_later(worker);
	cdr_stats_add_batch(result);
	/* an event of no use to a call must not hide what is worse, again and again */
	if (result->dead_letters > 0 ||
		(result->reason.sqlerrcode != 0 &&
		 cdr_worker_may_tell(&worker->tell_useless_at)))
		cdr_stats_set_error(&result->reason);
	cdr_worker_prove(worker);
}

void
cdr_worker_leave(CdrWorker *worker, CdrBatchOutcome outcome,
				 const CdrReason *reason)
{
	switch (outcome)
	{
		case CDR_BATCH_NOT_DURABLE:
			cdr_worker_back_off_for(
				worker,
				&(CdrReason){
					.sqlerrcode = ERRCODE_QUERY_CANCELED,
					.message = "wait for a synchronous standby was cancelled: "
							   "the batch is not acknowledged"});
			break;
		case CDR_BATCH_UNFIT:
			cdr_worker_wait_for_tables(worker, reason);
			break;
		case CDR_BATCH_NO_EXTENSION:
			cdr_worker_wait_for_extension(worker);
			break;
		case CDR_BATCH_STORED:
		case CDR_BATCH_RETRY:
			break;
	}
}

/* What the status says of the pace. */
static void
show_pace(const CdrPace *pace)
{
	bool told =
		cdr_pace_is_slow(pace) && (pace->each == 0 || pace->each >= TELL_EACH);

	cdr_stats_set_slow(told, told ? pace->together : 0,
					   told ? (int) pace->each : 0);
}

/* So many were stored. */
static void
note_pace(CdrPace *pace, int count, long milliseconds)
{
	bool was_slow = cdr_pace_is_slow(pace);

	cdr_pace_note(pace, count, milliseconds);
	if (was_slow)
		show_pace(pace);
}

void
cdr_worker_begin_slow(CdrWorker *worker, double each)
{
	cdr_pace_begin_slow(&worker->pace, each);
	show_pace(&worker->pace);
	if (cdr_worker_may_tell(&worker->tell_slow_at))
		ereport(LOG,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("statements are slow: whatever the events, a batch "
						"takes longer than %d seconds",
						CDR_PATIENT.total / 1000),
				 errdetail("As many are stored together as take a few "
						   "seconds, or each alone, with up to %d.",
						   CDR_PACE_LONGEST / 1000),
				 errhint("%s", CDR_SLOW_HINT)));
}

void
cdr_worker_note_timeout(CdrWorker *worker, int count)
{
	cdr_pace_note_timeout(&worker->pace, count);
	show_pace(&worker->pace);
}

CdrBatchOutcome
cdr_worker_try(CdrWorker *worker, CdrEvent *events, int count,
			   CdrPatience patience, CdrBatchResult *result)
{
	CdrMoment		began = cdr_now();
	CdrBatchOutcome outcome;

	if (cdr_stuck_among(events, count) != NULL)
	{
		*result = (CdrBatchResult){.reason = cdr_stuck_reason()};
		return CDR_BATCH_RETRY;
	}
	cdr_stats_set_alive();
	cdr_stuck_note(events, count);
	cdr_cancel_begin();
	outcome = cdr_batch_store(events, count, patience, result);
	cdr_cancel_end();
	cdr_stuck_note(NULL, 0);
	if (outcome != CDR_BATCH_STORED)
		return outcome;
	cdr_stuck_forget(events, count);
	note_pace(&worker->pace, count, cdr_milliseconds_since(began));
	return outcome;
}

void
cdr_worker_tell_waiting(const CdrEvent *event, const CdrReason *reason)
{
	char *id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(&event->id)));
	CdrReason told = *reason;

	if (event->reason != NULL)
		told.message =
			psprintf("dead letter %s waits: %s", id, reason->message);
	else
		told.message = psprintf("event %s of call \"%s\" waits: %s", id,
								event->call_id, reason->message);
	cdr_stats_set_error(&told);
}

bool
cdr_worker_would_store(CdrWorker *worker, const CdrEvent *event,
					   CdrTrialKind kind)
{
	MemoryContext outer;
	CdrPatience	  patience = CDR_BRISK;
	bool		  would;

	if (cdr_stuck_by_trial(event))
		return false;
	/* what is like it would be stuck, too */
	if (cdr_stuck_among(event, 1) != NULL)
		kind = CDR_TRIAL_BARE;
	if (cdr_pace_is_slow(&worker->pace))
		patience.total =
			Min(cdr_pace_limit(&worker->pace, 1), CDR_PATIENT.total);
	outer = MemoryContextSwitchTo(worker->parse_context);
	cdr_stats_set_alive();
	cdr_stuck_note_trial(event);
	cdr_cancel_begin();
	would = cdr_batch_would_store(event, kind, patience);
	cdr_cancel_end();
	cdr_stuck_note(NULL, 0);
	MemoryContextSwitchTo(outer);
	return would;
}
