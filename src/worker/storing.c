/*-------------------------------------------------------------------------
 *
 * storing.c
 *	  A worker's batches: stored, then acknowledged.
 *
 * A batch that cannot be stored is kept and tried again.  If that lasts, or
 * nothing but a message can be to blame, it is halved (halving.c), a part in
 * each turn of the main loop: what is stored is acknowledged, one by one, and
 * what alone cannot be stored waits (held.c), while the worker goes on with
 * what comes.  It is tried again and again, alone.
 *
 * What waits counts against the prefetch.  So where too much does, or the broker
 * has delivered a message so often that it may soon drop it, the event becomes a
 * dead letter, with the reason for which it waited.
 *
 * Memory.  Messages live where unacked.c and held.c have them.  What is parsed
 * out of them lives in the worker's parse_context, reset for each try, or where
 * halving.c has it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/cancel.h"
#include "base/compat.h"
#include "base/guc.h"
#include "store/batch.h"
#include "store/event_options.h"
#include "store/passing.h"
#include "worker/delay.h"
#include "worker/states.h"
#include "worker/storing.h"

/* Milliseconds. */
#define FIRST_RETRY_DELAY 100
#define HELD_DELAY		  500	/* between two tries of what waits */
#define CROWDED_DELAY	  20	/* the same, while too much does */
#define SUSPICION_DELAY	  10000 /* until a passing error is a message's */
#define SUSPICION_AGAIN	  500	/* the same, while others wait for one */
#define HALVING_DELAY	  30000 /* after one that was in vain */
#define FEW_HALVING_DELAY 2000	/* the same, of few messages */
#define FEW_MESSAGES	  16
#define SUSPECT_DELAY	  5000	/* until what waits may become a dead letter */
#define STORABLE_AFTER	  10000 /* one event, others are thought to be */
#define TRIAL_INTERVAL	  5000	/* and then is tried whether they are */
#define TELL_INTERVAL	  60000 /* of trouble that comes and goes */

/* Of the tries of a message that waits and takes too long: one with patience. */
#define PATIENT_EVERY 4

/* What waits, at most: bytes, and deliveries of one message. */
#define WAITING_BYTES_MAX	   (32 * 1024 * 1024)
#define WAITING_DELIVERIES_MAX 10

/* ------------------------------------------------------------------------
 * What became of a try
 * ------------------------------------------------------------------------
 */

/*
 * May trouble that comes and goes be told?  Once in a minute; counters have all
 * of it.
 */
static bool
may_tell(TimestampTz *not_before)
{
	if (cdr_milliseconds_until(*not_before) > 0)
		return false;
	*not_before =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TELL_INTERVAL);
	return true;
}

/* Something is durable. */
static void
count_stored(CdrWorker *worker, const CdrBatchResult *result)
{
	worker->failed_stores = 0;
	worker->stats_pending = true;
	if (result->recorded + result->duplicates > 0)
		worker->storable_at = result->committed_at;
	cdr_stats_add_batch(result);
	/* an event of no use to a call must not hide what is worse, again and again */
	if (result->dead_letters > 0 ||
		(result->reason.sqlerrcode != 0 && may_tell(&worker->tell_useless_at)))
		cdr_stats_set_error(&result->reason);
	cdr_worker_prove(worker);
}

/* Neither stored, nor a matter of the moment: leaves the broker. */
static void
leave(CdrWorker *worker, CdrBatchOutcome outcome, const CdrReason *reason)
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

/* One try of some events, parsed in the current memory context. */
static CdrBatchOutcome
try_events_now(CdrEvent *events, int count, CdrPatience patience,
			   CdrBatchResult *result)
{
	CdrBatchOutcome outcome;

	cdr_cancel_begin();
	outcome = cdr_batch_store(events, count, patience, result);
	cdr_cancel_end();
	return outcome;
}

/* ------------------------------------------------------------------------
 * What waits
 * ------------------------------------------------------------------------
 */

/* What the status says of a message that waits. */
static void
tell_waiting(const CdrEvent *event, const CdrReason *reason)
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

/*
 * Would another event be stored now?  If not, what waits is not to blame: all
 * events wait for the same.
 */
static bool
would_store_others(CdrWorker *worker, const CdrEvent *event)
{
	MemoryContext outer = MemoryContextSwitchTo(worker->parse_context);
	bool		  would;

	cdr_cancel_begin();
	would = cdr_batch_would_store(event);
	cdr_cancel_end();
	MemoryContextSwitchTo(outer);
	if (would)
		worker->storable_at = GetCurrentTimestamp();
	return would;
}

/* The same, but what was found out lately counts as well. */
static bool
others_are_storable(CdrWorker *worker, const CdrEvent *event)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < TimestampTzPlusMilliseconds(worker->storable_at, STORABLE_AFTER))
		return true;
	if (cdr_milliseconds_until(worker->trial_at) > 0)
		return false;
	worker->trial_at = TimestampTzPlusMilliseconds(now, TRIAL_INTERVAL);
	return would_store_others(worker, event);
}

/* Does so much wait that some of it must become dead letters? */
static bool
is_crowded(const CdrHeld *held)
{
	return held->tried > cdr_prefetch / 2 || held->bytes > WAITING_BYTES_MAX;
}

bool
cdr_worker_is_full(const CdrWorker *worker)
{
	return worker->held.bytes > WAITING_BYTES_MAX;
}

/* Is it time for a message that waits to give way to others? */
static bool
must_give_way(CdrWorker *worker, const CdrHeldMessage *first,
			  const CdrEvent *event)
{
	if (first->message.delivery_count < WAITING_DELIVERIES_MAX &&
		!cdr_worker_is_full(worker) &&
		!(is_crowded(&worker->held) &&
		  TimestampDifferenceExceeds(first->since, GetCurrentTimestamp(),
									 SUSPECT_DELAY)))
		return false;
	return others_are_storable(worker, event);
}

/* Tries a message that waits as a dead letter, with the reason to wait. */
static CdrBatchOutcome
try_as_letter(CdrEvent *event, CdrBatchResult *result)
{
	CdrReason *reason = palloc(sizeof(CdrReason));

	*reason = result->reason;
	event->reason = reason;
	return try_events_now(event, 1, CDR_BRISK, result);
}

/* One that was not tried alone yet may be sound, and is not kept waiting. */
static void
wait_for_turn_of_held(CdrHeld *held)
{
	held->due = cdr_held_first(held)->was_tried
					? TimestampTzPlusMilliseconds(
						  GetCurrentTimestamp(),
						  is_crowded(held) ? CROWDED_DELAY : HELD_DELAY)
					: 0;
}

/* The message whose turn it is could not be stored, again. */
static void
end_turn_waiting(CdrHeld *held)
{
	cdr_held_rotate(held);
	wait_for_turn_of_held(held);
}

/* It was: what it waited for may have kept the next one, too. */
static void
end_turn_stored(CdrWorker *worker, const CdrBatchResult *result)
{
	CdrHeld *held = &worker->held;
	uint64	 tag = cdr_held_first(held)->tag;

	count_stored(worker, result);
	cdr_held_remove_first(held);
	cdr_stats_set_waiting(held->count);
	held->due = 0;
	if (held->count == 0 && may_tell(&worker->tell_free_at))
		ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
					  errmsg("no event waits any more")));
	if (!cdr_broker_ack_one(worker->broker, held->generation, tag))
		cdr_worker_back_off(worker);
}

long
cdr_worker_held_due(const CdrWorker *worker)
{
	return worker->held.count == 0 ? LONG_MAX
								   : cdr_milliseconds_until(worker->held.due);
}

/* What takes long, but not for ever, gets the time of a batch now and then. */
static CdrPatience
patience_with(const CdrHeldMessage *held)
{
	return held->timeouts % PATIENT_EVERY == PATIENT_EVERY - 1 ? CDR_PATIENT
															   : CDR_BRISK;
}

bool
cdr_worker_store_held(CdrWorker *worker)
{
	CdrEventOptions options = cdr_event_options();
	MemoryContext	outer;
	CdrBatchResult	result;
	CdrBatchOutcome outcome;
	CdrEvent		event;
	CdrHeldMessage *first;

	if (cdr_worker_held_due(worker) > 0)
		return false;
	outer = MemoryContextSwitchTo(worker->parse_context);
	first = cdr_held_first(&worker->held);
	(void) cdr_event_parse(&first->message, &options, &event);
	outcome = try_events_now(&event, 1, patience_with(first), &result);
	if (outcome == CDR_BATCH_RETRY)
	{
		if (result.reason.sqlerrcode == ERRCODE_QUERY_CANCELED)
			first->timeouts++;
		tell_waiting(&event, &result.reason);
		if (event.reason == NULL && must_give_way(worker, first, &event))
			outcome = try_as_letter(&event, &result);
	}
	MemoryContextSwitchTo(outer);
	if (outcome == CDR_BATCH_STORED)
		end_turn_stored(worker, &result);
	else if (outcome == CDR_BATCH_RETRY)
		end_turn_waiting(&worker->held);
	else
		leave(worker, outcome, &result.reason);
	MemoryContextReset(worker->parse_context);
	return true;
}

/* ------------------------------------------------------------------------
 * Halving
 * ------------------------------------------------------------------------
 */

/* Errors that say of themselves that somebody else is in the way. */
static bool
is_contention(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) ==
			   ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		   sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		   sqlerrcode == ERRCODE_QUERY_CANCELED;
}

/* Is it time to look for the message that a batch fails for? */
static bool
is_halving_due(const CdrWorker *worker, int sqlerrcode)
{
	if (cdr_milliseconds_until(worker->halving_at) > 0)
		return false;
	/* all ways to store data that is bad were tried */
	if (!cdr_error_passes(sqlerrcode))
		return true;
	if (is_contention(sqlerrcode))
		return worker->failed_stores > 1 || worker->held.count > 0;
	return GetCurrentTimestamp() >=
		   TimestampTzPlusMilliseconds(
			   worker->failing_since,
			   worker->held.count > 0 ? SUSPICION_AGAIN : SUSPICION_DELAY);
}

static void
begin_halving(CdrWorker *worker)
{
	CdrUnacked *unacked = &worker->unacked;
	int			first = unacked->acknowledged;

	cdr_halving_begin(&worker->halving, unacked->messages + first,
					  unacked->tags + first, unacked->count - first,
					  cdr_batch_size);
	cdr_worker_wake_after(worker, 0);
}

/* Those of the batch that wait are kept; all others are acknowledged. */
static void
hold_waiting(CdrWorker *worker)
{
	CdrHalving *halving = &worker->halving;
	CdrHeld	   *held = &worker->held;
	bool		is_first = held->count == 0;

	for (int i = 0; i < halving->count; i++)
	{
		if (halving->waits[i] != CDR_WAITS_NOT)
			cdr_held_add(held, &halving->messages[i], halving->tags[i],
						 worker->unacked.generation,
						 halving->waits[i] == CDR_WAITS);
	}
	if (held->count > 0)
		wait_for_turn_of_held(held);
	cdr_stats_set_waiting(held->count);
	if (is_first && held->count > 0 && may_tell(&worker->tell_held_at))
		ereport(LOG,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg_plural("%d event waits because it cannot be stored",
							   "%d events wait because they cannot be stored",
							   held->count, held->count),
				 errdetail("All others go on. cdr_status() says which, and "
						   "why.")));
}

/* Nothing is left to be tried. */
static void
end_halving(CdrWorker *worker)
{
	int count = worker->halving.count;

	hold_waiting(worker);
	cdr_halving_end(&worker->halving);
	cdr_unacked_pass(&worker->unacked, count);
	worker->failed_stores = 0;
	cdr_worker_enter(worker, CDR_CONSUMING);
}

/* Nothing of the batch can be stored: it is kept as a whole. */
static void
end_halving_in_vain(CdrWorker *worker)
{
	bool few = worker->halving.count < FEW_MESSAGES;

	cdr_halving_end(&worker->halving);
	worker->halving_at = TimestampTzPlusMilliseconds(
		GetCurrentTimestamp(), few ? FEW_HALVING_DELAY : HALVING_DELAY);
	cdr_worker_wake_after(worker,
						  few ? FEW_HALVING_DELAY : CDR_LONGEST_RETRY_DELAY);
}

/* A part of the batch is durable. */
static bool
acknowledge_part(CdrWorker *worker, const CdrPart *part)
{
	const CdrHalving *halving = &worker->halving;

	for (int i = part->first; i < part->first + part->count; i++)
	{
		int place = cdr_halving_message(halving, &halving->events[i]);

		if (!cdr_broker_ack_one(worker->broker, worker->unacked.generation,
								halving->tags[place]))
			return false;
	}
	return true;
}

/*
 * A part could not be stored.  Where others could, and another event of its day
 * cannot be, that day's partition is locked: then all of it waits, and no more
 * time is spent on it.
 */
static void
give_up_part(CdrWorker *worker, CdrPart part, const CdrReason *reason)
{
	CdrHalving *halving = &worker->halving;
	CdrEvent   *first = &halving->events[part.first];

	if (part.count > 1 && halving->any_storable &&
		cdr_halving_part_is_of_one_day(halving) &&
		!would_store_others(worker, first))
	{
		cdr_halving_give_up_part(halving);
		tell_waiting(first, reason);
		return;
	}
	cdr_halving_failed(halving);
	if (part.count == 1)
		tell_waiting(first, reason);
}

/*
 * Where nothing could be stored, but another event would be, the messages are to
 * blame, and it is worth while to find out which.  That must not take too long for
 * those that come behind: what is left then waits, if there is room for it.
 */
static void
go_on_halving(CdrWorker *worker)
{
	CdrHalving *halving = &worker->halving;

	if (cdr_halving_is_in_vain(halving))
	{
		halving->any_storable = would_store_others(worker, halving->events);
		if (!halving->any_storable)
		{
			end_halving_in_vain(worker);
			return;
		}
	}
	if (cdr_milliseconds_until(halving->deadline) == 0 &&
		worker->held.bytes <= WAITING_BYTES_MAX)
		cdr_halving_give_up(halving);
	if (cdr_halving_part(halving) == NULL)
		end_halving(worker);
}

/* Tries the next part of a batch that is halved. */
static void
store_part(CdrWorker *worker)
{
	CdrHalving	   *halving = &worker->halving;
	CdrPart			part = *cdr_halving_part(halving);
	CdrEvent	   *first = &halving->events[part.first];
	MemoryContext	outer = MemoryContextSwitchTo(worker->parse_context);
	CdrBatchResult	result;
	CdrBatchOutcome outcome;

	outcome = try_events_now(first, part.count, CDR_BRISK, &result);
	MemoryContextSwitchTo(outer);
	if (outcome == CDR_BATCH_STORED)
	{
		count_stored(worker, &result);
		cdr_halving_stored(halving);
		if (!acknowledge_part(worker, &part))
		{
			cdr_worker_back_off(worker);
			return;
		}
	}
	else if (outcome == CDR_BATCH_RETRY)
		give_up_part(worker, part, &result.reason);
	else
	{
		leave(worker, outcome, &result.reason);
		return;
	}

	go_on_halving(worker);
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------
 */

/* The batch cannot be stored now: keep it, with the connection alive. */
static void
retry_later(CdrWorker *worker, const CdrReason *reason)
{
	long delay = cdr_backoff(FIRST_RETRY_DELAY, worker->failed_stores,
							 CDR_LONGEST_RETRY_DELAY);

	cdr_stats_set_error(reason);
	if (worker->failed_stores == 0)
	{
		worker->failing_since = GetCurrentTimestamp();
		if (worker->held.count == 0 && may_tell(&worker->tell_retry_at))
			ereport(LOG,
					(errcode(reason->sqlerrcode),
					 errmsg("could not store a batch: %s", reason->message),
					 errdetail("It is kept and tried again until it is "
							   "stored.")));
	}
	worker->failed_stores++;
	worker->read_only =
		reason->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION;
	cdr_worker_wake_after(worker, delay);
	cdr_worker_enter(worker, CDR_RETRYING);
	if (is_halving_due(worker, reason->sqlerrcode))
		begin_halving(worker);
}

/* A chunk is durable: acknowledge it. */
static void
acknowledge_batch(CdrWorker *worker, int count, const CdrBatchResult *result)
{
	bool one_by_one = worker->held.count > 0;

	count_stored(worker, result);
	if (cdr_unacked_acknowledge(&worker->unacked, worker->broker, count,
								one_by_one))
		cdr_worker_enter(worker, CDR_CONSUMING);
	else
		cdr_worker_back_off(worker);
}

/* Stores the next messages that are not stored yet. */
static void
store_batch(CdrWorker *worker)
{
	MemoryContext  outer = MemoryContextSwitchTo(worker->parse_context);
	CdrPatience	   patience = worker->held.count > 0 ? CDR_BRISK : CDR_PATIENT;
	CdrBatchResult result;
	CdrBatchOutcome outcome;
	CdrEvent	   *events;
	int				count;

	if (worker->failed_stores == 0)
		cdr_worker_enter(worker, CDR_STORING);
	events = cdr_unacked_parse(&worker->unacked, &count);
	outcome = try_events_now(events, count, patience, &result);
	MemoryContextSwitchTo(outer);

	if (outcome == CDR_BATCH_STORED)
		acknowledge_batch(worker, count, &result);
	else if (outcome == CDR_BATCH_RETRY)
		retry_later(worker, &result.reason);
	else
		leave(worker, outcome, &result.reason);
}

void
cdr_worker_store(CdrWorker *worker)
{
	if (cdr_halving_goes_on(&worker->halving))
		store_part(worker);
	else
		store_batch(worker);
	MemoryContextReset(worker->parse_context);
}
