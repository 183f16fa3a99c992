/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  What each worker does and has done, in shared memory.
 *
 * One slot for each worker, each with a lock.  Only the worker writes to its
 * slot, but for cdr_stats_reset(), cdr_resume() and stuck.c, which write to all: so
 * every access, the worker's own included, holds the lock, and never across a call
 * that could fail.  A slot is some kilobytes long, which is too much to copy
 * under a spinlock: these are lightweight locks.  Readers copy a slot and format
 * the copy.  Nothing in a slot is a pointer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "worker/stats.h"

#define TRANCHE "cdr_service"

/* Milliseconds after which a batch that is being stored makes no progress. */
#define STORING_AT_MOST 10000

/* Milliseconds between signs of life; and the longest that a turn may take. */
#define ALIVE_INTERVAL 1000
#define TURN_AT_MOST   60000

/* cdr_workers of each, in shared memory */
static CdrWorkerStats *slots = NULL;
static LWLockPadded	  *locks;

/* of this process, if it is a worker */
static CdrWorkerStats *mine = NULL;
static LWLock		  *my_lock;

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;

static Size
slots_size(void)
{
	return mul_size(cdr_workers, sizeof(CdrWorkerStats));
}

static void
request_shmem(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();
	RequestAddinShmemSpace(slots_size());
	RequestNamedLWLockTranche(TRANCHE, cdr_workers);
}

static void
startup_shmem(void)
{
	bool found;

	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = ShmemInitStruct("cdr_service workers", slots_size(), &found);
	if (!found)
	{
		memset(slots, 0, slots_size());
		for (int i = 0; i < cdr_workers; i++)
		{
			slots[i].state = CDR_NOT_STARTED;
			slots[i].since = GetCurrentTimestamp();
			slots[i].stats_reset = slots[i].since;
			slots[i].backlog = slots[i].consumers = -1;
		}
	}
	locks = GetNamedLWLockTranche(TRANCHE);
	LWLockRelease(AddinShmemInitLock);
}

void
cdr_stats_init(void)
{
	previous_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}

bool
cdr_stats_available(void)
{
	return slots != NULL;
}

void
cdr_stats_require(void)
{
	if (!cdr_stats_available())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cdr_service must be loaded via "
						"shared_preload_libraries"),
				 errdetail("Without that, no worker consumes events; "
						   "cdr_ingest_event() works all the same."),
				 errhint("Add cdr_service to shared_preload_libraries in "
						 "postgresql.conf and restart the server.")));
}

static void
lock_mine(void)
{
	LWLockAcquire(my_lock, LW_EXCLUSIVE);
}

static void
unlock_mine(void)
{
	LWLockRelease(my_lock);
}

/* There is no session: what was known of the queue is not, any more. */
static void
forget_session(void)
{
	mine->connected_at = 0;
	mine->backlog = mine->consumers = -1;
	mine->others = 0;
	mine->waiting = 0;
	mine->keep_others_out = false;
}

/*
 * Enters a state.  What is no state of health began with the first of those
 * that followed each other, and ends with cdr_stats_set_healthy(), or a pause.
 */
static void
enter_state(CdrWorkerState state, TimestampTz now)
{
	if (mine->state != state)
		mine->since = now;
	mine->state = state;
	if (state == CDR_PAUSED)
		mine->unhealthy_since = 0;
	else if (state != CDR_CONSUMING && state != CDR_STORING &&
			 mine->unhealthy_since == 0)
		mine->unhealthy_since = now;
}

/* At exit: a worker that never got beyond its start leaves a reason. */
static void
detach_slot(int code, Datum arg)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		failed = mine->state == CDR_STARTING;

	if (failed && mine->last_error_time < mine->since)
		cdr_stats_set_error(&(CdrReason){
			.sqlerrcode =
				ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION,
			.message = "worker could not start: see the server log for why"});
	lock_mine();
	mine->failed_starts += failed ? 1 : 0;
	mine->pid = 0;
	mine->ended_at = now;
	mine->slow = false;
	forget_session();
	if (mine->state != CDR_PAUSED)
		enter_state(CDR_STOPPED, now);
	unlock_mine();
	mine = NULL;
}

void
cdr_stats_attach(int worker)
{
	TimestampTz now = GetCurrentTimestamp();

	Assert(worker >= 0 && worker < cdr_workers);
	mine = &slots[worker];
	my_lock = &locks[worker].lock;
	before_shmem_exit(detach_slot, (Datum) 0);
	lock_mine();
	mine->pid = MyProcPid;
	mine->alive_at = cdr_now();
	/* who comes after a pause finds out whether it is over */
	if (mine->state != CDR_PAUSED)
		enter_state(CDR_STARTING, now);
	unlock_mine();
}

void
cdr_stats_set_alive(void)
{
	/* (nobody else writes it) */
	if (cdr_milliseconds_since(mine->alive_at) < ALIVE_INTERVAL)
		return;
	lock_mine();
	mine->alive_at = cdr_now();
	unlock_mine();
}

void
cdr_stats_set_crashing_since(TimestampTz time)
{
	lock_mine();
	mine->unhealthy_since = Min(mine->unhealthy_since, time);
	unlock_mine();
}

void
cdr_stats_set_state(CdrWorkerState state)
{
	TimestampTz now = GetCurrentTimestamp();

	lock_mine();
	enter_state(state, now);
	unlock_mine();
}

void
cdr_stats_set_healthy(void)
{
	lock_mine();
	mine->unhealthy_since = 0;
	unlock_mine();
}

void
cdr_stats_set_server(const char *host, const char *vhost, const char *user,
					 const char *queue)
{
	lock_mine();
	strlcpy(mine->host, host, sizeof(mine->host));
	strlcpy(mine->vhost, vhost, sizeof(mine->vhost));
	strlcpy(mine->user, user, sizeof(mine->user));
	strlcpy(mine->queue, queue, sizeof(mine->queue));
	unlock_mine();
}

void
cdr_stats_set_connected(void)
{
	TimestampTz now = GetCurrentTimestamp();

	lock_mine();
	mine->connected_at = now;
	mine->connects++;
	unlock_mine();
}

void
cdr_stats_set_disconnected(void)
{
	lock_mine();
	forget_session();
	unlock_mine();
}

void
cdr_stats_set_queue(int64 backlog, int64 consumers, int64 others)
{
	TimestampTz now = GetCurrentTimestamp();

	lock_mine();
	mine->backlog = backlog;
	mine->consumers = consumers;
	mine->others = others;
	if (backlog >= 0 && backlog <= cdr_prefetch)
		mine->backlog_since = 0;
	else if (backlog > 0 && mine->backlog_since == 0)
		mine->backlog_since = now;
	unlock_mine();
}

void
cdr_stats_set_waiting(int64 events, bool keep_others_out)
{
	lock_mine();
	mine->waiting = events;
	mine->keep_others_out = keep_others_out;
	unlock_mine();
}

void
cdr_stats_set_slow(bool slow, int together, int each)
{
	lock_mine();
	mine->slow = slow;
	mine->slow_together = together;
	mine->slow_each = each;
	unlock_mine();
}

bool
cdr_stats_any_waits(void)
{
	bool any = false;

	for (int i = 0; i < cdr_workers && !any; i++)
	{
		LWLockAcquire(&locks[i].lock, LW_SHARED);
		any = slots[i].waiting > 0;
		LWLockRelease(&locks[i].lock);
	}
	return any;
}

/* A copy of what fits, whole characters only. */
static void
clip(char *clipped, const char *message)
{
	strlcpy(clipped, message,
			pg_mbcliplen(message, strlen(message), CDR_REASON_LENGTH - 1) + 1);
}

void
cdr_stats_set_warning(const char *message)
{
	char clipped[CDR_REASON_LENGTH];

	clip(clipped, message);
	lock_mine();
	strlcpy(mine->warning, clipped, CDR_REASON_LENGTH);
	unlock_mine();
}

void
cdr_stats_forget_error(void)
{
	lock_mine();
	mine->last_error[0] = '\0';
	mine->last_error_code = 0;
	mine->last_error_time = 0;
	unlock_mine();
}

void
cdr_stats_set_error(const CdrReason *reason)
{
	TimestampTz now = GetCurrentTimestamp();
	char		clipped[CDR_REASON_LENGTH];
	char		hinted[2 * CDR_REASON_LENGTH];

	/* an error of the server's own exit, after detach_slot() */
	if (mine == NULL)
		return;

	/* a hint often is the command that cures it */
	snprintf(hinted, sizeof(hinted), "%s%s%s", reason->message,
			 reason->hint ? " HINT: " : "", reason->hint ? reason->hint : "");
	clip(clipped, hinted);

	lock_mine();
	strlcpy(mine->last_error, clipped, CDR_REASON_LENGTH);
	mine->last_error_code = reason->sqlerrcode;
	mine->last_error_time = now;
	unlock_mine();
}

void
cdr_stats_add_received(int64 messages)
{
	lock_mine();
	mine->received += messages;
	unlock_mine();
}

void
cdr_stats_add_batch(const CdrBatchResult *result)
{
	lock_mine();
	mine->recorded += result->recorded;
	mine->without_call += result->without_call;
	mine->without_time += result->without_time;
	mine->unmapped += result->unmapped;
	mine->duplicates += result->duplicates;
	mine->dead_letters += result->dead_letters;
	mine->batches++;
	if (result->last_event_time != 0)
	{
		mine->last_event_time = result->last_event_time;
		mine->last_commit_time = result->committed_at;
	}
	unlock_mine();
}

CdrFailures
cdr_stats_failures(void)
{
	CdrFailures failures;

	lock_mine();
	failures = (CdrFailures){.starts = mine->failed_starts,
							 .runs = mine->failed_runs,
							 .connects = mine->failed_connects,
							 .ended_at = mine->ended_at};
	unlock_mine();
	return failures;
}

void
cdr_stats_set_failed_starts(int failed)
{
	lock_mine();
	mine->failed_starts = failed;
	unlock_mine();
}

void
cdr_stats_set_failed_runs(int failed)
{
	lock_mine();
	mine->failed_runs = failed;
	unlock_mine();
}

void
cdr_stats_set_failed_connects(int failed)
{
	lock_mine();
	mine->failed_connects = failed;
	unlock_mine();
}

void
cdr_stats_set_resumed_all(void)
{
	for (int i = 0; i < cdr_workers; i++)
	{
		LWLockAcquire(&locks[i].lock, LW_EXCLUSIVE);
		slots[i].resumed = true;
		LWLockRelease(&locks[i].lock);
	}
}

bool
cdr_stats_take_resumed(void)
{
	bool resumed;

	lock_mine();
	resumed = mine->resumed;
	mine->resumed = false;
	unlock_mine();
	return resumed;
}

void
cdr_stats_read_stuck(int worker, CdrStuck *copy)
{
	LWLockAcquire(&locks[worker].lock, LW_SHARED);
	*copy = slots[worker].stuck;
	LWLockRelease(&locks[worker].lock);
}

void
cdr_stats_set_stuck(int worker, const CdrStuck *stuck)
{
	LWLockAcquire(&locks[worker].lock, LW_EXCLUSIVE);
	slots[worker].stuck = *stuck;
	LWLockRelease(&locks[worker].lock);
}

void
cdr_stats_read(int worker, CdrWorkerStats *copy)
{
	LWLockAcquire(&locks[worker].lock, LW_SHARED);
	*copy = slots[worker];
	LWLockRelease(&locks[worker].lock);
}

TimestampTz
cdr_stats_unhealthy_since(const CdrWorkerStats *stats)
{
	if (stats->unhealthy_since != 0)
		return stats->unhealthy_since;
	switch (stats->state)
	{
		case CDR_NOT_STARTED:
			return RecoveryInProgress() || IsBinaryUpgrade ? 0 : stats->since;
		case CDR_STORING:
			/* a worker that waits within a statement cannot say so itself */
			return TimestampDifferenceExceeds(
					   stats->since, GetCurrentTimestamp(), STORING_AT_MOST)
					   ? stats->since
					   : 0;
		default:
			return 0;
	}
}

/* In any other state, it is told soon that the worker is not healthy. */
long
cdr_stats_silent_for(const CdrWorkerStats *stats)
{
	long silent = cdr_milliseconds_since(stats->alive_at);

	return stats->state == CDR_CONSUMING &&
				   silent > TURN_AT_MOST + cdr_heartbeat * 500L
			   ? silent
			   : 0;
}

void
cdr_stats_reset_all(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < cdr_workers; i++)
	{
		CdrWorkerStats *stats = &slots[i];

		LWLockAcquire(&locks[i].lock, LW_EXCLUSIVE);
		/* who is connected stays connected: that was no reconnect */
		stats->connects = stats->connects > 0 ? 1 : 0;
		stats->received = 0;
		stats->recorded = 0;
		stats->without_call = 0;
		stats->without_time = 0;
		stats->unmapped = 0;
		stats->duplicates = 0;
		stats->dead_letters = 0;
		stats->batches = 0;
		stats->last_event_time = 0;
		stats->last_commit_time = 0;
		stats->last_error[0] = '\0';
		stats->last_error_code = 0;
		stats->last_error_time = 0;
		stats->stats_reset = now;
		LWLockRelease(&locks[i].lock);
	}
}

const char *
cdr_stats_state_name(CdrWorkerState state)
{
	switch (state)
	{
		case CDR_NOT_STARTED:
			return "not started";
		case CDR_STARTING:
			return "starting";
		case CDR_CRASHED:
			return "crashed";
		case CDR_PAUSED:
			return "paused";
		case CDR_WAITING_FOR_EXTENSION:
			return "waiting for extension";
		case CDR_WAITING_FOR_TABLES:
			return "waiting for tables";
		case CDR_NOT_CONFIGURED:
			return "not configured";
		case CDR_CONNECTING:
			return "connecting";
		case CDR_CONSUMING:
			return "consuming";
		case CDR_STORING:
			return "storing";
		case CDR_RETRYING:
			return "retrying";
		case CDR_WAITING_TO_STORE:
			return "waiting to store";
		case CDR_BACKING_OFF:
			return "backing off";
		case CDR_STOPPED:
			return "stopped";
	}
	return "unknown";
}
