/*-------------------------------------------------------------------------
 *
 * alerts.c
 *	  When the alert rules are evaluated, and up to when events have come: only the
 *	  workers know.
 *
 * Events are complete up to now if each worker that has messages is done with them,
 * and few are left on the queue.  Else the clock stands where the last batch was, and
 * what is to come yet may change what is measured: so silence waits.  Right after a
 * connection nothing is known, for the broker's count does not tell what it has sent
 * ahead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/timestamp.h"

#include "alert/check.h"
#include "base/cancel.h"
#include "base/guc.h"
#include "worker/alerts.h"
#include "worker/stats.h"

/* Milliseconds. */
#define SETTLED_AFTER \
	5000 /* a session, until its count of messages means much */
#define STORING_LONG 1000  /* a batch that may hold what has waited */
#define BATCH_LATELY 2000  /* a batch that tells how old events are */
#define LAG_MAX		 60000 /* of events that are no backlog */
#define ALERTS_SOON	 1000  /* with more to do */

/* Rules that take long, however many, take a fifth of a worker's time. */
#define REST 4

/* What a worker says of the events that have come. */
typedef enum CdrCompleteness
{
	NOTHING_SAID, /* it has none */
	MORE_TO_COME,
	ALL_HAVE_COME
} CdrCompleteness;

static CdrCompleteness
judge_worker(const CdrWorkerStats *worker, TimestampTz now)
{
	if (worker->state == CDR_RETRYING ||
		worker->state == CDR_WAITING_TO_STORE ||
		worker->state == CDR_WAITING_FOR_TABLES)
		return MORE_TO_COME;
	if (worker->state != CDR_CONSUMING && worker->state != CDR_STORING)
		return NOTHING_SAID;
	if (worker->connected_at == 0 || worker->backlog < 0 ||
		worker->backlog > cdr_prefetch ||
		!TimestampDifferenceExceeds(worker->connected_at, now, SETTLED_AFTER))
		return MORE_TO_COME;
	if (worker->state == CDR_STORING &&
		TimestampDifferenceExceeds(worker->since, now, STORING_LONG))
		return MORE_TO_COME;
	if (worker->last_commit_time != 0 &&
		!TimestampDifferenceExceeds(worker->last_commit_time, now,
									BATCH_LATELY) &&
		TimestampDifferenceExceeds(worker->last_event_time,
								   worker->last_commit_time, LAG_MAX))
		return MORE_TO_COME;
	return ALL_HAVE_COME;
}

/* Up to when events have come, as the workers say. */
static CdrAlertClock
read_clock(void)
{
	TimestampTz	  now = GetCurrentTimestamp();
	TimestampTz	  last = 0;
	int			  complete = 0;
	bool		  more = false;
	CdrAlertClock clock = {0};

	if (!cdr_stats_available())
		return clock;
	for (int i = 0; i < cdr_workers; i++)
	{
		CdrWorkerStats	worker;
		CdrCompleteness says;

		cdr_stats_read(i, &worker);
		says = judge_worker(&worker, now);
		complete += says == ALL_HAVE_COME;
		more = more || says == MORE_TO_COME;
		if (worker.last_event_time != 0 &&
			(last == 0 || worker.last_event_time > last))
			last = worker.last_event_time;
	}
	clock.is_complete = complete > 0 && !more;
	/* an event of the future is no clock */
	clock.time = clock.is_complete ? now : Min(last, now);
	return clock;
}

/* ------------------------------------------------------------------------
 * In a worker
 * ------------------------------------------------------------------------
 */

/* A moment for the next round, of which nothing has been settled yet. */
static void
plan_round(CdrWorker *worker)
{
	worker->alerts_at = cdr_after(cdr_alert_interval * 1000L);
}

long
cdr_worker_alerts_due(CdrWorker *worker)
{
	if (cdr_alert_interval == 0)
		return LONG_MAX;
	if (worker->alerts_at == 0)
		plan_round(worker);
	return cdr_milliseconds_until(worker->alerts_at);
}

/* When to go on, after a turn that took so many milliseconds. */
static void
plan_turn(CdrWorker *worker, long took)
{
	long rest = took * REST;

	if (worker->alerts.is_under_way)
		worker->alerts_at = cdr_after(rest);
	else if (worker->alerts.is_behind)
		worker->alerts_at =
			cdr_after(Max(rest, Min(ALERTS_SOON, cdr_alert_interval * 1000L)));
	else
		plan_round(worker);
}

void
cdr_worker_check_alerts(CdrWorker *worker)
{
	CdrMoment		began;
	CdrAlertClock	clock;
	CdrReasonBuffer why;
	bool			done;

	/* what was received already would not be seen */
	if (worker->unacked.count > 0 || cdr_worker_alerts_due(worker) > 0)
		return;
	began = cdr_now();
	clock = read_clock();
	cdr_cancel_begin();
	done = cdr_alerts_turn(&worker->alerts, &clock, &why);
	cdr_cancel_end();
	if (!done)
		cdr_stats_set_error(&why.reason);
	worker->stats_pending = true;
	plan_turn(worker, cdr_milliseconds_since(began));
}

/* ------------------------------------------------------------------------
 * For SQL
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(cdr_check_alerts);

/* cdr_check_alerts(as_of, is_complete): those that are null, the workers know. */
Datum
cdr_check_alerts(PG_FUNCTION_ARGS)
{
	CdrAlertClock clock = {0};
	int			  changes;

	if (PG_ARGISNULL(0))
		clock = read_clock();
	else
		clock.time = PG_GETARG_TIMESTAMPTZ(0);
	if (!PG_ARGISNULL(1))
	{
		clock.is_complete = PG_GETARG_BOOL(1);
		if (clock.is_complete && PG_ARGISNULL(0))
			clock.time = GetCurrentTimestamp();
	}
	if (TIMESTAMP_NOT_FINITE(clock.time))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("as_of must be finite")));
	changes = cdr_alerts_check(&clock);
	if (changes < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(changes);
}
