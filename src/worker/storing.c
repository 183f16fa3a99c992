/*-------------------------------------------------------------------------
 *
 * storing.c
 *	  A worker's batches: stored, then acknowledged.
 *
 * A batch that cannot be stored is kept and tried again.  If that lasts, or
 * nothing but a message can be to blame, it is halved (halving.c), a part in
 * each turn of the main loop: what is stored is acknowledged, one by one, and
 * what alone cannot be stored waits (waiting.c), while the worker goes on with
 * what comes.
 *
 * If a batch takes too long, and so would any other event, statements are slow
 * (pace.c).  Then fewer are tried together, in their order, and what takes too long
 * even alone waits at once: the next may not.
 *
 * Memory.  Messages live where unacked.c and held.c have them.  What is parsed
 * out of them lives in the worker's parse_context, reset for each try, or where
 * halving.c has it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/memutils.h"

#include "base/clock.h"
#include "base/guc.h"
#include "store/batch.h"
#include "store/passing.h"
#include "worker/delay.h"
#include "worker/mappings.h"
#include "worker/states.h"
#include "worker/storing.h"
#include "worker/stuck.h"
#include "worker/trying.h"
#include "worker/waiting.h"

/* Milliseconds. */
#define FIRST_RETRY_DELAY 100
#define SUSPICION_DELAY	  10000 /* until a passing error is a message's */
/* the same, where others wait for one, or code of a user raised the error; with
 * both, there is no delay */
#define SUSPICION_SOON	  500
#define HALVING_DELAY	  30000 /* after one that was in vain */
#define FEW_HALVING_DELAY 2000	/* the same, of few messages */
#define FEW_MESSAGES	  16

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
		   sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* Is it time to look for the message that a batch fails for? */
static bool
is_halving_due(const CdrWorker *worker, const CdrBatchResult *result)
{
	int sqlerrcode = result->reason.sqlerrcode;

	if (cdr_milliseconds_until(worker->halving_at) > 0)
		return false;
	/* all ways to store data that is bad were tried */
	if (!cdr_error_passes(sqlerrcode))
		return true;
	/* what took too long once would again */
	if (sqlerrcode == ERRCODE_QUERY_CANCELED)
		return true;
	if (is_contention(sqlerrcode))
		return worker->failed_stores > 1 || worker->held.count > 0;
	if (result->raised && worker->held.count > 0)
		return true;
	return cdr_milliseconds_since(worker->failing_since) >=
		   (result->raised || worker->held.count > 0 ? SUSPICION_SOON
													 : SUSPICION_DELAY);
}

/* Was one of those that are not stored yet delivered before? */
static bool
any_redelivered(const CdrUnacked *unacked)
{
	for (int i = unacked->acknowledged; i < unacked->count; i++)
	{
		if (unacked->messages[i].redelivered)
			return true;
	}
	return false;
}

/* May one of them be what a worker got stuck with?  Then each is tried alone. */
static bool
is_careful(const CdrWorker *worker)
{
	return worker->careful > 0 ||
		   (any_redelivered(&worker->unacked) && cdr_stuck_lately());
}

/* Events that are tried together. */
static int
part_at_most(const CdrWorker *worker)
{
	if (is_careful(worker))
		return 1;
	return cdr_pace_is_slow(&worker->pace)
			   ? Min(worker->pace.together, cdr_batch_size)
			   : cdr_batch_size;
}

/* So many were tried, each to its end. */
static void
end_care(CdrWorker *worker, int count)
{
	worker->careful = Max(worker->careful - count, 0);
}

static void
begin_halving(CdrWorker *worker, bool took_too_long)
{
	CdrUnacked *unacked = &worker->unacked;
	int			first;

	cdr_worker_keep_up_mappings(worker);
	cdr_unacked_take_apart(unacked, INT_MAX);
	first = unacked->acknowledged;
	cdr_halving_begin(&worker->halving, unacked->messages + first,
					  unacked->tags + first, cdr_unacked_ready(unacked),
					  part_at_most(worker));
	worker->halving.took_too_long = took_too_long;
	cdr_worker_wake_after(worker, 0);
}

/* The first wait. */
static void
tell_first_held(CdrWorker *worker)
{
	const CdrHeld *held = &worker->held;

	if (cdr_worker_may_tell(&worker->tell_held_at))
		ereport(LOG,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg_plural("%d event waits because it cannot be stored",
							   "%d events wait because they cannot be stored",
							   held->count, held->count),
				 errdetail("All others go on. cdr_status() says which, and "
						   "why.")));
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
	if (is_first && held->count > 0)
		tell_first_held(worker);
}

/* Nothing is left to be tried. */
static void
end_halving(CdrWorker *worker)
{
	int count = worker->halving.count;

	hold_waiting(worker);
	cdr_halving_end(&worker->halving);
	cdr_unacked_pass(&worker->unacked, count);
	end_care(worker, count);
	worker->failed_stores = 0;
	cdr_worker_enter(worker, CDR_CONSUMING);
	cdr_worker_held_begin(worker);
}

/* Statements are slow: what was not stored is tried again, fewer together. */
static void
end_halving_slowly(CdrWorker *worker)
{
	CdrHalving *halving = &worker->halving;
	double		each = halving->quickest;
	bool	   *keep =
		MemoryContextAlloc(halving->context, halving->count * sizeof(bool));

	cdr_halving_give_up(halving);
	for (int i = 0; i < halving->count; i++)
		keep[i] = halving->waits[i] != CDR_WAITS_NOT;
	cdr_unacked_keep(&worker->unacked, halving->count, keep);
	cdr_halving_end(halving);
	worker->failed_stores = 0;
	cdr_worker_begin_slow(worker, each);
	cdr_worker_wake_after(worker, 0);
}

/* Nothing of the batch can be stored: it is kept as a whole. */
static void
end_halving_in_vain(CdrWorker *worker)
{
	bool few = worker->halving.count < FEW_MESSAGES;

	if (worker->halving.took_too_long)
	{
		end_halving_slowly(worker);
		return;
	}
	cdr_halving_end(&worker->halving);
	worker->halving_at = cdr_after(few ? FEW_HALVING_DELAY : HALVING_DELAY);
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
		const CdrTag *tag = &halving->tags[place];

		if (cdr_tag_stored(tag) &&
			!cdr_broker_ack_one(worker->broker, worker->unacked.generation,
								tag->number))
			return false;
	}
	return true;
}

/*
 * A part could not be stored.  Where others could, and another event of its day
 * cannot be, that day's partition is locked: then all of it waits, and no more
 * time is spent on it.  Only what says that it waited may do so for a lock.
 */
static void
give_up_part(CdrWorker *worker, CdrPart part, const CdrBatchResult *result)
{
	const CdrReason *reason = &result->reason;
	CdrHalving		*halving = &worker->halving;
	CdrEvent		*first = &halving->events[part.first];
	bool took_too_long = reason->sqlerrcode == ERRCODE_QUERY_CANCELED;

	if (part.count > 1 && halving->any_storable &&
		(result->contended || took_too_long) &&
		cdr_halving_part_is_of_one_day(halving) &&
		!cdr_worker_would_store(worker, first, CDR_TRIAL_ANY))
	{
		cdr_halving_give_up_part(halving);
		cdr_worker_tell_waiting(first, reason);
		return;
	}
	cdr_halving_failed(halving, took_too_long);
	if (part.count == 1)
		cdr_worker_tell_waiting(first, reason);
}

/* Would another event be stored, whichever?  How long that takes is noted. */
static bool
others_would_be_stored(CdrWorker *worker)
{
	CdrHalving *halving = &worker->halving;
	CdrMoment	began = cdr_now();

	if (!cdr_worker_would_store(worker, halving->events, CDR_TRIAL_ANY))
		return false;
	cdr_halving_note_pace(halving, 1, cdr_milliseconds_since(began));
	return true;
}

/* Can the batch not be stored in time, even if none of it is to blame? */
static bool
is_batch_too_large(const CdrHalving *halving)
{
	return halving->took_too_long &&
		   halving->quickest * Min(halving->count, cdr_batch_size) >
			   CDR_PATIENT.total;
}

/*
 * Where nothing could be stored, but another event would be, whichever, the
 * messages are to blame, and it is worth while to find out which.  That must not
 * take too long for those that come behind: what is left then waits, if there is
 * room for it.
 */
static void
go_on_halving(CdrWorker *worker)
{
	CdrHalving *halving = &worker->halving;
	bool		is_over;

	if (cdr_halving_is_in_vain(halving) && !others_would_be_stored(worker))
	{
		end_halving_in_vain(worker);
		return;
	}
	is_over = cdr_milliseconds_until(halving->deadline) == 0 &&
			  !cdr_worker_is_full(worker);
	if (cdr_halving_part(halving) != NULL && is_over &&
		is_batch_too_large(halving))
	{
		end_halving_slowly(worker);
		return;
	}
	if (is_over)
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
	CdrPatience		patience = CDR_BRISK;
	CdrMoment		began = cdr_now();
	CdrBatchResult	result;
	CdrBatchOutcome outcome;

	patience.total = cdr_pace_limit(&worker->pace, part.count);
	outcome = cdr_worker_try(worker, first, part.count, patience, &result);
	MemoryContextSwitchTo(outer);
	if (outcome == CDR_BATCH_STORED)
	{
		cdr_worker_count_stored(worker, &result);
		cdr_halving_stored(halving, cdr_milliseconds_since(began));
		if (!acknowledge_part(worker, &part))
		{
			cdr_worker_back_off(worker);
			return;
		}
	}
	else if (outcome == CDR_BATCH_RETRY)
		give_up_part(worker, part, &result);
	else
	{
		cdr_worker_leave(worker, outcome, &result.reason);
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
retry_later(CdrWorker *worker, const CdrBatchResult *result)
{
	const CdrReason *reason = &result->reason;
	long delay = cdr_backoff(FIRST_RETRY_DELAY, worker->failed_stores,
							 CDR_LONGEST_RETRY_DELAY);

	cdr_stats_set_error(reason);
	if (worker->failed_stores == 0)
	{
		worker->failing_since = cdr_now();
		if (worker->held.count == 0 &&
			cdr_worker_may_tell(&worker->tell_retry_at))
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
	if (is_halving_due(worker, result))
		begin_halving(worker, reason->sqlerrcode == ERRCODE_QUERY_CANCELED);
}

/*
 * Where statements are slow, some events took longer than they may: fewer are tried
 * next; or, if it was one alone, another.
 */
static void
try_fewer(CdrWorker *worker, const CdrEvent *event, int count,
		  const CdrReason *reason)
{
	CdrUnacked *unacked = &worker->unacked;
	int			first = unacked->acknowledged;

	cdr_worker_note_timeout(worker, count);
	cdr_worker_wake_after(worker, 0);
	if (count > 1)
	{
		cdr_stats_set_error(reason);
		cdr_worker_enter(worker, CDR_RETRYING);
		return;
	}
	cdr_worker_tell_waiting(event, reason);
	cdr_held_add(&worker->held, &unacked->messages[first],
				 unacked->tags[first], unacked->generation, true);
	cdr_unacked_pass(unacked, 1);
	end_care(worker, 1);
	if (worker->held.count == 1)
		tell_first_held(worker);
	/* not healthy until something is stored, though others have their turn */
	cdr_worker_enter(worker, CDR_RETRYING);
	cdr_worker_enter(worker, CDR_CONSUMING);
	cdr_worker_held_begin(worker);
}

/* A chunk is durable: acknowledge it. */
static void
acknowledge_batch(CdrWorker *worker, int count, const CdrBatchResult *result)
{
	bool one_by_one = worker->held.count > 0;

	cdr_worker_count_stored(worker, result);
	end_care(worker, count);
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
	MemoryContext outer = MemoryContextSwitchTo(worker->parse_context);
	bool		  careful = is_careful(worker);
	bool		  slow = cdr_pace_is_slow(&worker->pace);
	CdrPatience	  patience =
		  worker->held.count > 0 || careful ? CDR_BRISK : CDR_PATIENT;
	CdrBatchResult	result;
	CdrBatchOutcome outcome;
	CdrEvent	   *events;
	int				count;

	if (worker->failed_stores == 0)
		cdr_worker_enter(worker, CDR_STORING);
	cdr_worker_keep_up_mappings(worker);
	cdr_unacked_take_apart(&worker->unacked, part_at_most(worker));
	events = cdr_unacked_parse(&worker->unacked, part_at_most(worker), &count);
	if (careful || slow)
		patience.total = cdr_pace_limit(&worker->pace, count);
	outcome = cdr_worker_try(worker, events, count, patience, &result);
	MemoryContextSwitchTo(outer);

	if (outcome == CDR_BATCH_STORED)
		acknowledge_batch(worker, count, &result);
	else if (outcome == CDR_BATCH_RETRY && slow &&
			 result.reason.sqlerrcode == ERRCODE_QUERY_CANCELED)
		try_fewer(worker, events, count, &result.reason);
	else if (outcome == CDR_BATCH_RETRY)
		retry_later(worker, &result);
	else
		cdr_worker_leave(worker, outcome, &result.reason);
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
