/*-------------------------------------------------------------------------
 *
 * stuck.c
 *	  Work that a worker could not end, but for ending itself.
 *
 * A trigger that catches each cancel ends only with the process (patience.c); one may
 * end the process itself, by a FATAL error.  That may as well be somebody who
 * terminates workers: so it takes some of them in a row that have stored nothing.  The
 * next process must not meet the same again, with all that the broker delivers to
 * it again.  So shared memory, which outlives a process that ends in order,
 * remembers for it:
 *
 * - of a batch, how many messages were not acknowledged: so many are tried one by
 *   one, which finds the message.  They may come to other workers, too: for a
 *   minute, these are as careful with all that was delivered before;
 * - of a message, its identity: it is not tried again, by any worker, until the
 *   settings are reloaded, and waits as others that cannot be stored (waiting.c);
 * - of anything else, such as an event trigger on partitions: when that was, so that
 *   it is not tried again soon.
 *
 * Only a dead letter of it is tried: that goes to another table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "store/patience.h"
#include "worker/stuck.h"

/* Milliseconds until partitions are made again. */
#define PARTITIONS_DELAY (10 * 60 * 1000)

/* Milliseconds for which what comes again may be of a batch that was stuck. */
#define CARE_TIME 60000

/* So many processes that end while they store, and have stored nothing, are no chance. */
#define ENDS_SUSPECT 3

#define STUCK_HINT                                                    \
	"Look for a trigger or function that catches query_canceled, or " \
	"terminates its session, and correct it; then run pg_reload_conf()."

/* What is tried now. */
static const CdrEvent *noted = NULL;
static int			   nnoted = 0;
static bool			   is_trial = false;

/* Has this process stored nothing since others have ended? */
static CdrWorker *others_ended = NULL;

void
cdr_stuck_note(const CdrEvent *events, int count)
{
	noted = events;
	nnoted = events == NULL ? 0 : count;
	is_trial = false;
}

void
cdr_stuck_note_trial(const CdrEvent *like)
{
	cdr_stuck_note(like, 1);
	is_trial = true;
}

CdrReason
cdr_stuck_reason(void)
{
	return (CdrReason){
		.sqlerrcode = ERRCODE_QUERY_CANCELED,
		.message = "a trigger or function catches the cancel of a statement "
				   "that takes too long, or ends the worker",
		.hint = STUCK_HINT};
}

/* Names what the worker was at. */
static char *
name_work(const CdrWorker *worker)
{
	char *id;

	if (noted == NULL)
		return worker->state == CDR_CONSUMING
				   ? pstrdup("making partitions")
				   : pstrdup("taking over the tables");
	if (nnoted > 1)
		return psprintf("a batch of %d events", nnoted);
	id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(&noted->id)));
	return noted->reason != NULL
			   ? psprintf("dead letter %s", id)
			   : psprintf("event %s of call \"%s\"", id, noted->call_id);
}

/* The entry of a message among those of a worker; NULL: there is none. */
static CdrStuckMessage *
find_message(CdrStuck *stuck, const CdrEvent *event)
{
	for (int i = 0; stuck->next > 0 && i < CDR_STUCK_MAX; i++)
	{
		CdrStuckMessage *message = &stuck->messages[i];

		if (message->is_set && message->is_letter == (event->reason != NULL) &&
			memcmp(&message->id, &event->id, UUID_LEN) == 0)
			return message;
	}
	return NULL;
}

static void
remember_message(CdrStuck *stuck, const CdrEvent *event)
{
	CdrStuckMessage *message = find_message(stuck, event);

	if (message == NULL)
	{
		message = &stuck->messages[stuck->next++ % CDR_STUCK_MAX];
		*message = (CdrStuckMessage){.id = event->id,
									 .is_set = true,
									 .is_letter = event->reason != NULL};
	}
	message->by_trial = message->by_trial || is_trial;
}

/* Has the next process know of it. */
static void
remember_work(const CdrWorker *worker)
{
	CdrStuck stuck;

	cdr_stats_read_stuck(worker->number, &stuck);
	stuck.careful = worker->unacked.count - worker->unacked.acknowledged +
					worker->held.count;
	if (noted == NULL)
		stuck.partitions_at = cdr_after(PARTITIONS_DELAY);
	else if (nnoted == 1 && !ConfigReloadPending)
		remember_message(&stuck, noted);
	if (nnoted > 1)
		stuck.batch_at = cdr_now();
	cdr_stats_set_stuck(worker->number, &stuck);
}

/*
 * Did what the process was at end it?  One message may be to blame for that, if it was
 * tried alone for such a reason.
 */
static bool
has_ended_it(const CdrWorker *worker)
{
	CdrStuck stuck;

	if (noted == NULL)
		return false;
	cdr_stats_read_stuck(worker->number, &stuck);
	stuck.ended++;
	cdr_stats_set_stuck(worker->number, &stuck);
	return stuck.ended >= ENDS_SUSPECT || (worker->careful > 0 && nnoted == 1);
}

static void
tell_at_exit(int code, Datum argument)
{
	const CdrWorker *worker = (const CdrWorker *) DatumGetPointer(argument);
	CdrReason		 reason = {.sqlerrcode = ERRCODE_QUERY_CANCELED,
							   .hint = STUCK_HINT};

	if (cdr_patience_is_lost())
		reason.message =
			psprintf("worker ends, for it is stuck with %s: a trigger "
					 "or function catches each cancel",
					 name_work(worker));
	else if (has_ended_it(worker))
		reason.message = psprintf("worker ended again, while it stored %s",
								  name_work(worker));
	else
		return;
	cdr_stats_set_error(&reason);
	ereport(LOG, (errcode(reason.sqlerrcode), errmsg("%s", reason.message),
				  errhint("%s", reason.hint)));
	remember_work(worker);
}

void
cdr_stuck_begin(CdrWorker *worker)
{
	CdrStuck stuck;

	cdr_stats_read_stuck(worker->number, &stuck);
	/* a reload may have come while there was no process to hear of it */
	if (PgReloadTime > cdr_stats_failures().ended_at)
		stuck = (CdrStuck){.careful = stuck.careful};
	worker->careful = stuck.careful;
	worker->partitions_at = stuck.partitions_at;
	others_ended = stuck.ended > 0 ? worker : NULL;
	/* the next process, if it is not for the same reason, need not be */
	stuck.careful = 0;
	cdr_stats_set_stuck(worker->number, &stuck);
	before_shmem_exit(tell_at_exit, PointerGetDatum(worker));
}

const CdrEvent *
cdr_stuck_among(const CdrEvent *events, int count)
{
	for (int worker = 0; worker < cdr_workers; worker++)
	{
		CdrStuck stuck;

		cdr_stats_read_stuck(worker, &stuck);
		for (int i = 0; stuck.next > 0 && i < count; i++)
		{
			if (find_message(&stuck, &events[i]) != NULL)
				return &events[i];
		}
	}
	return NULL;
}

bool
cdr_stuck_lately(void)
{
	for (int worker = 0; worker < cdr_workers; worker++)
	{
		CdrStuck stuck;

		cdr_stats_read_stuck(worker, &stuck);
		if (stuck.batch_at != 0 &&
			cdr_milliseconds_since(stuck.batch_at) < CARE_TIME)
			return true;
	}
	return false;
}

bool
cdr_stuck_by_trial(const CdrEvent *like)
{
	for (int worker = 0; worker < cdr_workers; worker++)
	{
		CdrStuck		 stuck;
		CdrStuckMessage *message;

		cdr_stats_read_stuck(worker, &stuck);
		message = find_message(&stuck, like);
		if (message != NULL && message->by_trial)
			return true;
	}
	return false;
}

/* Another worker may write meanwhile: at worst, one gets stuck once more. */
void
cdr_stuck_forget(const CdrEvent *events, int count)
{
	if (others_ended != NULL)
	{
		CdrStuck stuck;

		cdr_stats_read_stuck(others_ended->number, &stuck);
		stuck.ended = 0;
		cdr_stats_set_stuck(others_ended->number, &stuck);
		others_ended = NULL;
	}
	for (int worker = 0; worker < cdr_workers; worker++)
	{
		CdrStuck stuck;
		bool	 changed = false;

		cdr_stats_read_stuck(worker, &stuck);
		for (int i = 0; stuck.next > 0 && i < CDR_STUCK_MAX; i++)
		{
			for (int j = 0; stuck.messages[i].is_set && j < count; j++)
			{
				if (memcmp(&stuck.messages[i].id, &events[j].id, UUID_LEN) !=
					0)
					continue;
				stuck.messages[i].is_set = false;
				changed = true;
			}
		}
		if (changed)
			cdr_stats_set_stuck(worker, &stuck);
	}
}

void
cdr_stuck_forget_all(CdrWorker *worker)
{
	CdrStuck none = {0};

	worker->partitions_at = 0;
	cdr_stats_set_stuck(worker->number, &none);
}
