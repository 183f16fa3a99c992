/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  Messages that wait, because they alone cannot be stored: their turns.
 *
 * Each is tried again and again, alone, between the batches (held.c has them).  A
 * turn is several tries, for a short time, and then others have as much.  How long
 * one try may take begins with what an event takes for sure, and doubles with each
 * that fails; what has failed rarely comes before what has failed often.  So an event
 * that is sound, and failed for the moment, waits for as many times its own time as
 * others do, and not for as many times what the worst of them take.
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

#include "miscadmin.h"
#include "postmaster/interrupt.h"
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
#define HELD_DELAY	   500	 /* between two turns in their order */
#define CROWDED_DELAY  20	 /* the same, while too much waits */
#define TURN_TIME	   100	 /* after which a turn begins no other try */
#define SUSPECT_DELAY  5000	 /* until what waits may become a dead letter */
#define STORABLE_AFTER 10000 /* one event, others are thought to be */
#define TRIAL_INTERVAL 5000	 /* and then is tried whether they are */

/* A message that took too long so often is tried with patience, a part of the time. */
#define PATIENT_AFTER 3
#define PATIENT_PART  5

/* Milliseconds for which another one may have it before the same has it again. */
#define PATIENT_OTHERS 5000

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
 * for the sake of another message that waits: it may wait for somebody else.  Where
 * commits fail, only one that was stored tells.
 */
static bool
others_are_storable(CdrWorker *worker, const CdrHeldMessage *held,
					const CdrEvent *event, bool contended)
{
	CdrTrial *trial = contended ? &worker->contended : &worker->uncontended;

	if (!contended && worker->storable_at > held->since &&
		is_of_late(worker->storable_at))
		return true;
	if (cdr_batch_commit_failed())
		return false;
	if (!contended && is_of_late(trial->passed_at))
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

/* One was tried in its turn: when does the next have its own? */
static void
set_next_turn(CdrHeld *held)
{
	if (cdr_milliseconds_until(held->turn) == 0)
		held->turn = cdr_after(is_crowded(held) ? CROWDED_DELAY : HELD_DELAY);
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

	if (held->count > 0 && held->turn == 0)
		set_next_turn(held);
	cdr_stats_set_waiting(held->count, keeps_others_out(worker));
	(void) make_room(worker);
}

/* One is stored. */
static void
end_try_stored(CdrWorker *worker, CdrHeldMessage *message,
			   const CdrBatchResult *result)
{
	CdrHeld *held = &worker->held;
	CdrTag	 tag = message->tag;

	cdr_worker_count_stored(worker, result);
	cdr_held_stored(held, message);
	cdr_stats_set_waiting(held->count, keeps_others_out(worker));
	if (held->count == 0 && cdr_worker_may_tell(&worker->tell_free_at))
		ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
					  errmsg("no event waits any more")));
	if (cdr_tag_stored(&tag) &&
		!cdr_broker_ack_one(worker->broker, held->generation, tag.number))
		cdr_worker_back_off(worker);
}

long
cdr_worker_held_due(CdrWorker *worker)
{
	CdrHeld *held = &worker->held;

	return held->count == 0 ? LONG_MAX
							: cdr_milliseconds_until(cdr_held_due(held));
}

/* May one have the time of a batch?  That is only a part of all time. */
static bool
may_take_long(const CdrHeld *held, const CdrHeldMessage *message)
{
	return message->timeouts >= PATIENT_AFTER &&
		   cdr_milliseconds_until(held->patient_at) == 0 &&
		   (held->patient != message ||
			cdr_milliseconds_until(held->patient_again_at) == 0);
}

/* So much, and then more; after that, others have their tries. */
static int
begin_patience(CdrHeld *held, CdrHeldMessage *message)
{
	int	 total = Min(CDR_PATIENT.total << Min(message->patient_tries, 2),
					 CDR_PACE_LONGEST);
	long others = (long) total * Min(held->count, PATIENT_PART);

	message->patient_tries++;
	held->patient = message;
	held->patient_at = cdr_after(others);
	held->patient_again_at = cdr_after(others + PATIENT_OTHERS);
	return total;
}

/*
 * At first no longer than it should take, for others may come behind, and each time
 * more.  What takes long, but not for ever, gets the time of a batch now and then.
 */
static CdrPatience
patience_with(CdrWorker *worker, CdrHeldMessage *message)
{
	CdrHeld	   *held = &worker->held;
	CdrPatience patience = CDR_BRISK;
	int waiting = message->failures > 0 ? held->tried : cdr_held_untried(held);
	int limit =
		cdr_pace_limit_of_many(&worker->pace, waiting, message->failures);

	patience.total = Min(limit, patience.total);
	if (may_take_long(held, message))
	{
		patience = CDR_PATIENT;
		patience.total = begin_patience(held, message);
	}
	/* what all others need, it may need, too */
	if (cdr_pace_is_slow(&worker->pace))
		patience.total = Max(patience.total, cdr_pace_limit(&worker->pace, 1));
	return patience;
}

/* Tries one message, alone. */
static CdrBatchOutcome
try_held(CdrWorker *worker, CdrHeldMessage *message, CdrBatchResult *result)
{
	CdrEventOptions options = cdr_event_options();
	CdrBatchOutcome outcome;
	CdrEvent		event;

	(void) cdr_event_parse(&message->message, &options, &event);
	outcome = cdr_worker_try(worker, &event, 1, patience_with(worker, message),
							 result);
	if (outcome != CDR_BATCH_RETRY)
		return outcome;
	if (result->reason.sqlerrcode == ERRCODE_QUERY_CANCELED)
		message->timeouts++;
	cdr_worker_tell_waiting(&event, &result->reason);
	if (event.reason == NULL && must_give_way(worker, message, &event, result))
		outcome = try_as_letter(worker, &event, result);
	return outcome;
}

/* Tries the next message, and says what became of it. */
static CdrBatchOutcome
store_next(CdrWorker *worker)
{
	CdrHeld		   *held = &worker->held;
	CdrHeldMessage *message = cdr_held_next(held);
	MemoryContext	outer = MemoryContextSwitchTo(worker->parse_context);
	CdrBatchResult	result;
	CdrBatchOutcome outcome = try_held(worker, message, &result);

	MemoryContextSwitchTo(outer);
	if (outcome == CDR_BATCH_STORED)
		end_try_stored(worker, message, &result);
	else if (outcome == CDR_BATCH_RETRY)
	{
		cdr_held_failed(held, message);
		set_next_turn(held);
	}
	else
		cdr_worker_leave(worker, outcome, &result.reason);
	MemoryContextReset(worker->parse_context);
	return outcome;
}

bool
cdr_worker_store_held(CdrWorker *worker)
{
	CdrHeld		   *held = &worker->held;
	CdrWorkerState	state = worker->state;
	CdrMoment		began = cdr_now();
	CdrBatchOutcome outcome;

	if (held->count == 0)
		return !make_room(worker);
	if (cdr_worker_held_due(worker) > 0)
		return false;
	cdr_worker_keep_up_mappings(worker);
	do
		outcome = store_next(worker);
	while (worker->state == state && !InterruptPending &&
		   !ConfigReloadPending && cdr_milliseconds_since(began) < TURN_TIME &&
		   cdr_worker_held_due(worker) == 0);
	/* others have as much time as this turn has taken, unless too much waits */
	if (outcome == CDR_BATCH_RETRY)
		held->pause = cdr_after(
			is_crowded(held) ? CROWDED_DELAY : cdr_milliseconds_since(began));
	(void) make_room(worker);
	return true;
}
