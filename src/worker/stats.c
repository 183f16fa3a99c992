/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  What each worker does and has done, in shared memory.
 *
 * One slot for each worker, each with a spinlock.  Only the worker writes to
 * its slot, but for cdr_stats_reset() and cdr_resume(), which write to all: so
 * every access, the worker's own included, holds the lock, for a few assignments and never
 * across a call that could fail.  Readers copy a slot and format the copy.
 * Nothing in a slot is a pointer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "worker/stats.h"

typedef struct WorkerSlot
{
	slock_t		   mutex;
	CdrWorkerStats stats;
} WorkerSlot;

static WorkerSlot *slots = NULL;   /* cdr_workers of them, in shared memory */
static WorkerSlot *my_slot = NULL; /* of this process, if it is a worker */

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;

static Size
slots_size(void)
{
	return mul_size(cdr_workers, sizeof(WorkerSlot));
}

static void
request_shmem(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();
	RequestAddinShmemSpace(slots_size());
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
			SpinLockInit(&slots[i].mutex);
			slots[i].stats.state = CDR_NOT_STARTED;
			slots[i].stats.since = GetCurrentTimestamp();
			slots[i].stats.stats_reset = slots[i].stats.since;
		}
	}
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

/* At exit: a worker that never got beyond its start leaves a reason. */
static void
detach_slot(int code, Datum arg)
{
	bool failed = my_slot->stats.state == CDR_STARTING;

	if (failed)
		cdr_stats_set_error(&(CdrReason){
			.sqlerrcode =
				ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION,
			.message = "worker could not start: see the server log for why"});
	SpinLockAcquire(&my_slot->mutex);
	my_slot->stats.failed_starts += failed ? 1 : 0;
	my_slot->stats.pid = 0;
	my_slot->stats.host[0] = '\0';
	if (my_slot->stats.state != CDR_PAUSED)
		my_slot->stats.state = CDR_STOPPED;
	SpinLockRelease(&my_slot->mutex);
	my_slot = NULL;
}

void
cdr_stats_attach(int worker)
{
	Assert(worker >= 0 && worker < cdr_workers);
	my_slot = &slots[worker];
	before_shmem_exit(detach_slot, (Datum) 0);
	SpinLockAcquire(&my_slot->mutex);
	my_slot->stats.pid = MyProcPid;
	SpinLockRelease(&my_slot->mutex);
	cdr_stats_set_state(CDR_STARTING);
}

void
cdr_stats_set_state(CdrWorkerState state)
{
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&my_slot->mutex);
	if (my_slot->stats.state != state)
	{
		my_slot->stats.state = state;
		my_slot->stats.since = now;
	}
	SpinLockRelease(&my_slot->mutex);
}

void
cdr_stats_set_connected(const char *host, const char *queue)
{
	SpinLockAcquire(&my_slot->mutex);
	strlcpy(my_slot->stats.host, host, CDR_HOST_LENGTH);
	strlcpy(my_slot->stats.queue, queue, CDR_QUEUE_LENGTH);
	my_slot->stats.connects++;
	SpinLockRelease(&my_slot->mutex);
}

void
cdr_stats_set_disconnected(void)
{
	SpinLockAcquire(&my_slot->mutex);
	my_slot->stats.host[0] = '\0';
	SpinLockRelease(&my_slot->mutex);
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
	SpinLockAcquire(&my_slot->mutex);
	strlcpy(my_slot->stats.warning, clipped, CDR_REASON_LENGTH);
	SpinLockRelease(&my_slot->mutex);
}

void
cdr_stats_set_error(const CdrReason *reason)
{
	TimestampTz now = GetCurrentTimestamp();
	char		clipped[CDR_REASON_LENGTH];
	char		hinted[2 * CDR_REASON_LENGTH];

	/* a hint often is the command that cures it */
	snprintf(hinted, sizeof(hinted), "%s%s%s", reason->message,
			 reason->hint ? " HINT: " : "", reason->hint ? reason->hint : "");
	clip(clipped, hinted);

	SpinLockAcquire(&my_slot->mutex);
	strlcpy(my_slot->stats.last_error, clipped, CDR_REASON_LENGTH);
	my_slot->stats.last_error_code = reason->sqlerrcode;
	my_slot->stats.last_error_time = now;
	SpinLockRelease(&my_slot->mutex);
}

void
cdr_stats_set_waiting(int64 events)
{
	SpinLockAcquire(&my_slot->mutex);
	my_slot->stats.waiting = events;
	SpinLockRelease(&my_slot->mutex);
}

void
cdr_stats_add_received(int64 messages)
{
	SpinLockAcquire(&my_slot->mutex);
	my_slot->stats.received += messages;
	SpinLockRelease(&my_slot->mutex);
}

void
cdr_stats_add_batch(int64 recorded, int64 duplicates, int64 dead_letters,
					TimestampTz last_event, TimestampTz committed)
{
	SpinLockAcquire(&my_slot->mutex);
	my_slot->stats.recorded += recorded;
	my_slot->stats.duplicates += duplicates;
	my_slot->stats.dead_letters += dead_letters;
	my_slot->stats.batches++;
	if (last_event != 0)
	{
		my_slot->stats.last_event_time = last_event;
		my_slot->stats.last_commit_time = committed;
	}
	SpinLockRelease(&my_slot->mutex);
}

int
cdr_stats_failed_starts(void)
{
	int failed;

	SpinLockAcquire(&my_slot->mutex);
	failed = my_slot->stats.failed_starts;
	SpinLockRelease(&my_slot->mutex);
	return failed;
}

void
cdr_stats_forget_failed_starts(void)
{
	SpinLockAcquire(&my_slot->mutex);
	my_slot->stats.failed_starts = 0;
	SpinLockRelease(&my_slot->mutex);
}

void
cdr_stats_set_resumed_all(void)
{
	for (int i = 0; i < cdr_workers; i++)
	{
		SpinLockAcquire(&slots[i].mutex);
		slots[i].stats.resumed = true;
		SpinLockRelease(&slots[i].mutex);
	}
}

bool
cdr_stats_take_resumed(void)
{
	bool resumed;

	SpinLockAcquire(&my_slot->mutex);
	resumed = my_slot->stats.resumed;
	my_slot->stats.resumed = false;
	SpinLockRelease(&my_slot->mutex);
	return resumed;
}

void
cdr_stats_read(int worker, CdrWorkerStats *copy)
{
	SpinLockAcquire(&slots[worker].mutex);
	*copy = slots[worker].stats;
	SpinLockRelease(&slots[worker].mutex);
}

void
cdr_stats_reset_all(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < cdr_workers; i++)
	{
		CdrWorkerStats *stats = &slots[i].stats;

		SpinLockAcquire(&slots[i].mutex);
		/* who is connected stays connected: that was no reconnect */
		stats->connects = stats->connects > 0 ? 1 : 0;
		stats->received = 0;
		stats->recorded = 0;
		stats->duplicates = 0;
		stats->dead_letters = 0;
		stats->batches = 0;
		stats->last_event_time = 0;
		stats->last_commit_time = 0;
		stats->last_error[0] = '\0';
		stats->last_error_code = 0;
		stats->last_error_time = 0;
		stats->stats_reset = now;
		SpinLockRelease(&slots[i].mutex);
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
		case CDR_BACKING_OFF:
			return "backing off";
		case CDR_STOPPED:
			return "stopped";
	}
	return "unknown";
}
