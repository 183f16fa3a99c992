/*-------------------------------------------------------------------------
 *
 * states.c
 *	  From one state of a worker to another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/guc.h"
#include "worker/delay.h"
#include "worker/states.h"

/* Milliseconds. */
#define FIRST_CONNECT_DELAY 500

void
cdr_worker_enter(CdrWorker *worker, CdrWorkerState state)
{
	worker->state = state;
	cdr_stats_set_state(state);
}

void
cdr_worker_wake_after(CdrWorker *worker, long milliseconds)
{
	worker->wake_at =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds);
}

void
cdr_worker_disconnect(CdrWorker *worker)
{
	cdr_broker_disconnect(worker->broker);
	cdr_stats_set_disconnected();
	cdr_unacked_drop(&worker->unacked);
	cdr_halving_end(&worker->halving);
	cdr_held_drop(&worker->held);
	cdr_stats_set_waiting(0);
}

void
cdr_worker_back_off(CdrWorker *worker)
{
	const CdrReason *reason = cdr_broker_reason(worker->broker);
	long delay = cdr_backoff(FIRST_CONNECT_DELAY, worker->failed_connects,
							 CDR_LONGEST_BACKOFF);

	cdr_stats_set_error(reason);
	ereport(LOG, (errcode(reason->sqlerrcode), errmsg("%s", reason->message),
				  errdetail("Next try in %.1f seconds.", delay / 1000.0)));
	cdr_worker_disconnect(worker);
	worker->failed_connects++;
	cdr_worker_wake_after(worker, delay);
	cdr_worker_enter(worker, CDR_BACKING_OFF);
}

void
cdr_worker_enter_connecting(CdrWorker *worker)
{
	if (cdr_amqp_uri[0] == '\0')
	{
		cdr_stats_set_error(&(CdrReason){
			.sqlerrcode = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			.message = "cdr_service.amqp_uri names no server"});
		cdr_worker_enter(worker, CDR_NOT_CONFIGURED);
	}
	else
		cdr_worker_enter(worker, CDR_CONNECTING);
}

void
cdr_worker_wait_for_tables(CdrWorker *worker, const CdrReason *why)
{
	cdr_stats_set_error(why);
	if (worker->state != CDR_WAITING_FOR_TABLES)
		ereport(LOG, (errcode(why->sqlerrcode),
					  errmsg("waiting for tables: %s", why->message),
					  why->hint ? errhint("%s", why->hint) : 0));
	cdr_worker_enter(worker, CDR_WAITING_FOR_TABLES);
}
