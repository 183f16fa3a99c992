/*-------------------------------------------------------------------------
 *
 * storing.c
 *	  A worker's batches: stored, then acknowledged.
 *
 * Memory.  Messages live where unacked.c has them.  What is parsed out of them
 * lives in the worker's parse_context, reset for each try.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/cancel.h"
#include "base/compat.h"
#include "store/batch.h"
#include "store/tables.h"
#include "worker/delay.h"
#include "worker/states.h"
#include "worker/storing.h"

/* Milliseconds. */
#define FIRST_RETRY_DELAY 100

/* The batch cannot be stored now: keep it, with the connection alive. */
static void
retry_later(CdrWorker *worker, const CdrBatchResult *result)
{
	long delay = cdr_backoff(FIRST_RETRY_DELAY, worker->failed_stores,
							 CDR_LONGEST_RETRY_DELAY);

	cdr_stats_set_error(&result->reason);
	if (worker->failed_stores == 0)
		ereport(LOG,
				(errcode(result->reason.sqlerrcode),
				 errmsg("could not store a batch: %s", result->reason.message),
				 errdetail("It is kept and tried again until it is stored.")));
	worker->failed_stores++;
	worker->read_only =
		result->reason.sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION;
	cdr_worker_wake_after(worker, delay);
	cdr_worker_enter(worker, CDR_RETRYING);
}

/* A chunk is durable: acknowledge it. */
static void
acknowledge_batch(CdrWorker *worker, int count, const CdrBatchResult *result)
{
	worker->failed_stores = 0;
	worker->stats_pending = true;
	cdr_stats_add_batch(result->recorded, result->duplicates,
						result->dead_letters, result->last_event_time,
						result->committed_at);
	if (result->dead_letters > 0)
		cdr_stats_set_error(&result->reason);
	if (cdr_unacked_acknowledge(&worker->unacked, worker->broker, count))
		cdr_worker_enter(worker, CDR_CONSUMING);
	else
		cdr_worker_back_off(worker);
}

void
cdr_worker_store(CdrWorker *worker)
{
	MemoryContext	outer = MemoryContextSwitchTo(worker->parse_context);
	CdrBatchResult	result;
	CdrBatchOutcome outcome;
	CdrEvent	   *events;
	int				count;

	cdr_worker_enter(worker, CDR_STORING);
	events = cdr_unacked_parse(&worker->unacked, &count);
	cdr_cancel_begin();
	outcome = cdr_batch_store(events, count, &result);
	cdr_cancel_end();
	MemoryContextSwitchTo(outer);

	switch (outcome)
	{
		case CDR_BATCH_STORED:
			acknowledge_batch(worker, count, &result);
			break;
		case CDR_BATCH_RETRY:
			retry_later(worker, &result);
			break;
		case CDR_BATCH_NOT_DURABLE:
			cdr_stats_set_error(&(CdrReason){
				.sqlerrcode = ERRCODE_QUERY_CANCELED,
				.message = "wait for a synchronous standby was cancelled: the "
						   "batch is not acknowledged"});
			cdr_worker_disconnect(worker);
			cdr_worker_enter_connecting(worker);
			break;
		case CDR_BATCH_UNFIT:
			cdr_worker_disconnect(worker);
			cdr_worker_wait_for_tables(worker, &result.reason);
			break;
		case CDR_BATCH_NO_EXTENSION:
			ereport(LOG, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						  errmsg("waiting for extension \"%s\"",
								 CDR_EXTENSION_NAME),
						  errdetail("It was dropped.")));
			cdr_worker_disconnect(worker);
			cdr_worker_enter(worker, CDR_WAITING_FOR_EXTENSION);
			break;
	}
	MemoryContextReset(worker->parse_context);
}
