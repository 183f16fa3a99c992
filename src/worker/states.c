/*-------------------------------------------------------------------------
 *
 * states.c
 *	  From one state of a worker to another.
 *
 * A session with the broker proves its worth by its first acknowledgement, or
 * by a minute without trouble.  A login proves nothing: a queue may refuse its
 * consumer each time, and the tables each batch.  So what counts as failed in a
 * row, and the time for which the worker is not healthy, go on through sessions
 * that proved nothing, and through restarts of the process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/refused.h"
#include "store/tables.h"
#include "worker/delay.h"
#include "worker/states.h"

/* Milliseconds. */
#define FIRST_CONNECT_DELAY 500
#define PROVED_AFTER		60000

void
cdr_worker_enter(CdrWorker *worker, CdrWorkerState state)
{
	worker->state = state;
	/* what comes after trouble has to be proved again */
	if (state != CDR_CONSUMING && state != CDR_STORING)
		worker->proved = false;
	cdr_stats_set_state(state);
}

void
cdr_worker_wake_after(CdrWorker *worker, long milliseconds)
{
	worker->wake_at = cdr_after(milliseconds);
}

static void
set_failed_connects(CdrWorker *worker, int failed)
{
	worker->failed_connects = failed;
	cdr_stats_set_failed_connects(failed);
}

/*
 * A session ended, or could not be had: the next one must wait, the longer the
 * more of them proved nothing.  Returns how many milliseconds.
 */
static long
delay_connect(CdrWorker *worker)
{
	long delay = cdr_backoff(FIRST_CONNECT_DELAY, worker->failed_connects,
							 CDR_LONGEST_BACKOFF);

	set_failed_connects(worker, worker->failed_connects + 1);
	worker->connect_at = cdr_after(delay);
	return delay;
}

void
cdr_worker_begin_session(CdrWorker *worker)
{
	worker->proved = false;
	worker->proved_at = cdr_after(PROVED_AFTER);
	/* nothing is to be proved again by a worker that nothing has failed */
	if (worker->failed_connects == 0 && worker->given_back.times == 0)
		cdr_stats_set_healthy();
}

void
cdr_worker_prove(CdrWorker *worker)
{
	if (worker->proved)
		return;
	worker->proved = true;
	cdr_worker_forget_failures(worker);
	cdr_stats_set_healthy();
}

void
cdr_worker_forget_failures(CdrWorker *worker)
{
	set_failed_connects(worker, 0);
	worker->connect_at = 0;
}

void
cdr_worker_disconnect(CdrWorker *worker)
{
	cdr_broker_disconnect(worker->broker);
	cdr_stats_set_disconnected();
	cdr_unacked_drop(&worker->unacked);
	cdr_halving_end(&worker->halving);
	cdr_held_drop(&worker->held);
	cdr_shares_drop();
	cdr_stats_set_waiting(0, false);
}

void
cdr_worker_back_off_for(CdrWorker *worker, const CdrReason *reason)
{
	long delay = delay_connect(worker);

	cdr_stats_set_error(reason);
	ereport(LOG, (errcode(reason->sqlerrcode), errmsg("%s", reason->message),
				  errdetail("Next try in %.1f seconds.", delay / 1000.0),
				  reason->hint ? errhint("%s", reason->hint) : 0));
	cdr_worker_disconnect(worker);
	worker->wake_at = worker->connect_at;
	cdr_worker_enter(worker, CDR_BACKING_OFF);
}

void
cdr_worker_back_off(CdrWorker *worker)
{
	cdr_worker_back_off_for(worker, cdr_broker_reason(worker->broker));
}

/* Does it say where to consume?  If not, why. */
static bool
is_configured(CdrReasonBuffer *why)
{
	const char *refused = cdr_refused_at_start();

	/* its default is not what was asked for */
	if (refused != NULL)
		return cdr_fail(why, ERRCODE_INVALID_PARAMETER_VALUE,
						"the value of %s was refused when the server started",
						refused);
	if (cdr_amqp_uri[0] == '\0')
		return cdr_fail(why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						"cdr_service.amqp_uri names no server");
	return true;
}

void
cdr_worker_enter_connecting(CdrWorker *worker)
{
	CdrReasonBuffer why;

	if (!is_configured(&why))
	{
		cdr_stats_set_error(&why.reason);
		cdr_worker_enter(worker, CDR_NOT_CONFIGURED);
	}
	else if (worker->connect_at != 0 &&
			 cdr_milliseconds_until(worker->connect_at) > 0)
	{
		worker->wake_at = worker->connect_at;
		cdr_worker_enter(worker, CDR_BACKING_OFF);
	}
	else
		cdr_worker_enter(worker, CDR_CONNECTING);
}

/* From here on there is no session, if there was one. */
static void
leave_session(CdrWorker *worker)
{
	if (worker->state != CDR_CONSUMING && worker->state != CDR_STORING &&
		worker->state != CDR_RETRYING)
		return;
	(void) delay_connect(worker);
	cdr_worker_disconnect(worker);
}

void
cdr_worker_wait_for_tables(CdrWorker *worker, const CdrReason *why)
{
	leave_session(worker);
	cdr_stats_set_error(why);
	if (worker->state != CDR_WAITING_FOR_TABLES)
		ereport(LOG, (errcode(why->sqlerrcode),
					  errmsg("waiting for tables: %s", why->message),
					  why->hint ? errhint("%s", why->hint) : 0));
	cdr_worker_enter(worker, CDR_WAITING_FOR_TABLES);
}

void
cdr_worker_wait_for_extension(CdrWorker *worker)
{
	CdrReasonBuffer why;

	if (worker->state == CDR_WAITING_FOR_EXTENSION)
		return;
	(void) cdr_fail(&why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					"waiting for extension \"%s\" in database \"%s\"",
					CDR_EXTENSION_NAME, cdr_database);
	why.reason.hint =
		"Run CREATE EXTENSION cdr_service there, or name another "
		"database in cdr_service.database.";
	leave_session(worker);
	cdr_stats_set_error(&why.reason);
	ereport(LOG, (errcode(why.reason.sqlerrcode), errmsg("%s", why.message),
				  errhint("%s", why.reason.hint)));
	cdr_worker_enter(worker, CDR_WAITING_FOR_EXTENSION);
}
