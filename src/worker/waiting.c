/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  Messages that wait, because they alone cannot be stored: their turns.
 *
 * Each is tried again and again, alone, between the batches (held.c has them).
 *
 * What waits counts against the prefetch.  So where too much does, the broker is
 * asked for as many others, within bounds.  And the event becomes a dead letter,
 * with the reason for which it waited, if that may be stored; also where the broker
 * has delivered the message so often that it may soon drop it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/memutils.h"

#include "base/clock.h"
#include "base/guc.h"
#include "store/event_options.h"
#include "worker/delay.h"
#include "worker/mappings.h"
#include "worker/states.h"
#include "worker/trying.h"
#include "worker/waiting.h"

/* Milliseconds. */
#define HELD_DELAY	   500	 /* between two tries of what waits */
#define CROWDED_DELAY  20	 /* the same, while too much does */
#define SUSPECT_DELAY  5000	 /* until what waits may become a dead letter */
#define STORABLE_AFTER 10000 /* one event, others are thought to be */
#define TRIAL_INTERVAL 5000	 /* and then is tried whether they are */

/* Of the tries of a message that waits and takes too long: one with patience. */
#define PATIENT_EVERY 4

/*
 * What waits, at most: bytes; messages, for which the broker sends others instead;
 * and deliveries of one message.
 */
#define WAITING_BYTES_MAX (32 * 1024 * 1024)
#define WAITING_MAX		  20000

/* So many are sent ahead for that, at most, unless the setting has more. */
#define AHEAD_MAX			   4000
#define WAITING_DELIVERIES_MAX 10

static bool
is_of_late(CdrMoment moment)
{
	return cdr_milliseconds_since(moment) < STORABLE_AFTER;
}

/*
 * Can other events be stored now?  One was lately, while this one waited; or one
 * would be, which is not tried each time.  Of a message that others are in the way
 * of, neither tells: those events need not what they hold.  Nor does what was tried
 * for the sake of another message that waits: it may wait for somebody else.
 */
static bool
others_are_storable(CdrWorker *worker, const CdrHeldMessage *held,
					const CdrEvent *event, bool contended)
{
	CdrTrial *trial = contended ? &worker->contended : &worker->uncontended;

	if (!contended && ((worker->storable_at > held->since &&
						is_of_late(worker->storable_at)) ||
					   is_of_late(trial->passed_at)))
		return true;
	if (cdr_milliseconds_until(trial->next) > 0)
		return false;
	trial->next = cdr_after(TRIAL_INTERVAL);
	if (!cdr_worker_would_store(worker, event,
								contended ? CDR_TRIAL_ALIKE : CDR_TRIAL_ANY))
		return false;
	trial->passed_at = cdr_now();
	trial->next = 0;
	return true;
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

/* Does it take room for which others wait? */
static bool
takes_room(const CdrWorker *worker)
{
	return worker->held.taking_room > cdr_broker_ahead(worker->broker) / 2;
}

/* Is there no more room to be had? */
static bool
keeps_others_out(const CdrWorker *worker)
{
	return cdr_worker_is_full(worker) ||
		   (takes_room(worker) &&
			(worker->held.count >= WAITING_MAX ||
			 !cdr_broker_can_send_ahead(worker->broker)));
}

/*
 * Is it what the server lacks that keeps a message waiting?  But memory may be too
 * small for ever, for one that takes all that those that wait may have.
 */
static bool
is_starved(const CdrHeldMessage *held, const CdrBatchResult *result)
{
	return result->starved &&
		   !(result->reason.sqlerrcode == ERRCODE_OUT_OF_MEMORY &&
			 held->size > WAITING_BYTES_MAX);
}

/* Is it time for a message that waits to give way to others? */
static bool
must_give_way(CdrWorker *worker, const CdrHeldMessage *first,
			  const CdrEvent *event, const CdrBatchResult *result)
{
	if (is_starved(first, result))
		return false;
	if (first->message.delivery_count < WAITING_DELIVERIES_MAX &&
		!cdr_worker_is_full(worker) &&
		!(is_crowded(&worker->held) &&
		  cdr_milliseconds_since(first->since) >= SUSPECT_DELAY))
		return false;
	return others_are_storable(worker, first, event, result->contended);
}

/*
 * Tries a message that waits as a dead letter, with the reason to wait.  One that
 * others were in the way of is tried once more before that: they may have gone while
 * the trial waited for them, and that is why it passed.
 */
static CdrBatchOutcome
try_as_letter(CdrWorker *worker, CdrEvent *event, CdrBatchResult *result)
{
	CdrReason *reason;

	if (result->contended)
	{
		CdrBatchOutcome outcome =
			cdr_worker_try(worker, event, 1, CDR_BRISK, result);

		if (outcome != CDR_BATCH_RETRY || result->starved)
			return outcome;
	}
	reason = palloc(sizeof(CdrReason));
	*reason = result->reason;
	event->reason = reason;
	return cdr_worker_try(worker, event, 1, CDR_BRISK, result);
}

/*
 * One that was not tried alone yet may be sound, and is not kept waiting.  Else others
 * have as much time as the last turn has taken, unless too much waits.
 */
static void
wait_for_turn_of_held(CdrHeld *held, long took)
{
	held->due = cdr_held_first(held)->was_tried
					? cdr_after(is_crowded(held) ? CROWDED_DELAY
												 : Max(took, HELD_DELAY))
					: 0;
}

/*
 * How many others the broker is to send, each time: more where much waits, for more of
 * that may come.
 */
static int
more_ahead(const CdrWorker *worker)
{
	int ahead = Max(2 * cdr_broker_ahead(worker->broker), worker->held.count);

	return Max(Min(ahead, AHEAD_MAX), cdr_prefetch);
}

static bool
ask_for(CdrWorker *worker, int ahead)
{
	if (cdr_broker_send_ahead(worker->broker, ahead))
		return true;
	cdr_worker_back_off(worker);
	return false;
}

/*
 * Has the broker send others, where those that wait take their room; and as many
 * ahead as the setting says, when none waits any more.  False: the session is lost.
 */
static bool
make_room(CdrWorker *worker)
{
	CdrBroker *broker = worker->broker;

	if (cdr_broker_awaits_consumer(broker))
		return true;
	if (worker->held.count == 0 && cdr_broker_ahead(broker) > cdr_prefetch)
		return ask_for(worker, cdr_prefetch);
	if (!takes_room(worker) || keeps_others_out(worker))
		return true;
	cdr_held_take_no_room(&worker->held);
	return ask_for(worker, more_ahead(worker));
}

void
cdr_worker_held_begin(CdrWorker *worker)
{
	CdrHeld *held = &worker->held;

	if (held->count > 0)
		wait_for_turn_of_held(held, 0);
	cdr_stats_set_waiting(held->count, keeps_others_out(worker));
	(void) make_room(worker);
}

/* The message whose turn it is could not be stored, again. */
static void
end_turn_waiting(CdrHeld *held, long took)
{
	cdr_held_rotate(held);
	wait_for_turn_of_held(held, took);
}

/* It was: what it waited for may have kept the next one, too. */
static void
end_turn_stored(CdrWorker *worker, const CdrBatchResult *result)
{
	CdrHeld *held = &worker->held;
	CdrTag	 tag = cdr_held_first(held)->tag;

	cdr_worker_count_stored(worker, result);
	cdr_held_remove_first(held);
	cdr_stats_set_waiting(held->count, keeps_others_out(worker));
	held->due = 0;
	if (held->count == 0 && cdr_worker_may_tell(&worker->tell_free_at))
		ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
					  errmsg("no event waits any more")));
	if (cdr_tag_stored(&tag) &&
		!cdr_broker_ack_one(worker->broker, held->generation, tag.number))
		cdr_worker_back_off(worker);
}

long
cdr_worker_held_due(const CdrWorker *worker)
{
	return worker->held.count == 0 ? LONG_MAX
								   : cdr_milliseconds_until(worker->held.due);
}

/*
 * At first no longer than it should take, for others may come behind; what takes
 * long, but not for ever, gets the time of a batch now and then, and each time more.
 */
static CdrPatience
patience_with(const CdrWorker *worker, const CdrHeldMessage *held)
{
	CdrPatience patience = CDR_BRISK;
	int			limit = cdr_pace_limit(&worker->pace, 1);

	if (!held->was_tried)
		patience.total = limit;
	else if (held->timeouts % PATIENT_EVERY == PATIENT_EVERY - 1)
	{
		int doublings = Min(held->timeouts / PATIENT_EVERY, 2);

		patience = CDR_PATIENT;
		patience.total = Min(patience.total << doublings, CDR_PACE_LONGEST);
	}
	/* what all others need, it may need, too */
	if (cdr_pace_is_slow(&worker->pace))
		patience.total = Max(patience.total, limit);
	return patience;
}

bool
cdr_worker_store_held(CdrWorker *worker)
{
	CdrEventOptions options;
	CdrMoment		began = cdr_now();
	MemoryContext	outer;
	CdrBatchResult	result;
	CdrBatchOutcome outcome;
	CdrEvent		event;
	CdrHeldMessage *first;

	if (worker->held.count == 0)
		return !make_room(worker);
	if (cdr_worker_held_due(worker) > 0)
		return false;
	cdr_worker_keep_up_mappings(worker);
	options = cdr_event_options();
	outer = MemoryContextSwitchTo(worker->parse_context);
	first = cdr_held_first(&worker->held);
	(void) cdr_event_parse(&first->message, &options, &event);
	outcome = cdr_worker_try(worker, &event, 1, patience_with(worker, first),
							 &result);
	if (outcome == CDR_BATCH_RETRY)
	{
		if (result.reason.sqlerrcode == ERRCODE_QUERY_CANCELED)
			first->timeouts++;
		cdr_worker_tell_waiting(&event, &result.reason);
		if (event.reason == NULL &&
			must_give_way(worker, first, &event, &result))
			outcome = try_as_letter(worker, &event, &result);
	}
	MemoryContextSwitchTo(outer);
	if (outcome == CDR_BATCH_STORED)
		end_turn_stored(worker, &result);
	else if (outcome == CDR_BATCH_RETRY)
		end_turn_waiting(&worker->held, cdr_milliseconds_since(began));
	else
		cdr_worker_leave(worker, outcome, &result.reason);
	(void) make_room(worker);
	MemoryContextReset(worker->parse_context);
	return true;
}
