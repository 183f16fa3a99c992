/*-------------------------------------------------------------------------
 *
 * given_back.c
 *	  Nothing can be stored, and all was given back to the broker.
 *
 * What was received and cannot be stored takes memory, so beyond a limit it goes
 * back to the broker, which has more room.  But each time that it comes again is a
 * delivery more, and a queue may drop what was delivered too often.  So nothing is
 * consumed until a trial shows that it could be stored, however long that takes: a
 * copy of one of the messages, written and taken back (batch.c).
 *
 * A trial can pass where the messages fail again.  Then the pause before the next
 * is longer, each time, so that these deliveries do not come soon after each other.
 *
 * Memory.  The message is copied into a context of its own, deleted once a trial
 * passes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "store/event_options.h"
#include "worker/delay.h"
#include "worker/given_back.h"
#include "worker/states.h"
#include "worker/trying.h"

/* Milliseconds. */
#define FIRST_TRIAL_DELAY	1000
#define LONGEST_TRIAL_DELAY 60000
#define LONGEST_PAUSE		(10 * 60 * 1000)

/* So long after the worker consumes again, the times before are forgotten. */
#define FORGOTTEN_AFTER (20 * 60 * 1000)

static void
keep_message(CdrGivenBack *given, const CdrMessage *message)
{
	MemoryContext context = AllocSetContextCreate(
		TopMemoryContext, "cdr_service given back", ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);

	given->message = cdr_held_copy(message);
	given->context = context;
	MemoryContextSwitchTo(outer);
}

void
cdr_worker_give_back(CdrWorker *worker, const CdrMessage *message)
{
	CdrGivenBack *given = &worker->given_back;
	long		  delay;

	if (given->consumes_since != 0 &&
		cdr_milliseconds_since(given->consumes_since) > FORGOTTEN_AFTER)
		given->times = 0;
	delay = cdr_backoff(FIRST_TRIAL_DELAY, given->times, LONGEST_PAUSE);
	given->times++;
	given->trials = 0;
	keep_message(given, message);
	cdr_worker_disconnect(worker);
	cdr_worker_wake_after(worker, delay);
	cdr_worker_enter(worker, CDR_WAITING_TO_STORE);
	ereport(
		LOG,
		(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
		 errmsg("all messages are given back to the broker, for they "
				"cannot be stored, and take more memory than they may"),
		 errdetail("In %.1f seconds it is tried whether one like them "
				   "could be stored; until one could, nothing is consumed.",
				   delay / 1000.0)));
}

bool
cdr_given_back_is_over(CdrWorker *worker)
{
	CdrGivenBack   *given = &worker->given_back;
	CdrEventOptions options = cdr_event_options();
	MemoryContext	outer = MemoryContextSwitchTo(worker->parse_context);
	CdrEvent		event;
	bool			over;

	(void) cdr_event_parse(&given->message, &options, &event);
	over = cdr_worker_would_store(worker, &event, CDR_TRIAL_ALIKE);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(worker->parse_context);
	if (!over)
	{
		cdr_worker_wake_after(worker,
							  cdr_backoff(FIRST_TRIAL_DELAY, given->trials,
										  LONGEST_TRIAL_DELAY));
		given->trials++;
		return false;
	}
	MemoryContextDelete(given->context);
	given->context = NULL;
	given->consumes_since = cdr_now();
	return true;
}

void
cdr_given_back_hurry(CdrWorker *worker)
{
	worker->given_back.trials = 0;
	worker->given_back.times = 0;
}
