/*-------------------------------------------------------------------------
 *
 * start.c
 *	  How a worker starts, up to where worker.c takes over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "worker/crashes.h"
#include "worker/delay.h"
#include "worker/override.h"
#include "worker/pause.h"
#include "worker/start.h"
#include "worker/stuck.h"
#include "worker/worker.h"

/* Bytes of memory that a worker keeps for its next batch. */
#define MEMORY_KEPT (32 * 1024 * 1024)

/* Milliseconds after which an error is no sign of a start that failed. */
#define STEADY_AFTER 60000

/* Says in each message which worker it is about, and what it was doing. */
static void
add_context(void *argument)
{
	const CdrWorker *worker = argument;

	errcontext("cdr_service worker %d, %s", worker->number,
			   cdr_stats_state_name(worker->state));
}

static emit_log_hook_type previous_emit_log_hook = NULL;

/*
 * Notes a FATAL error, which nobody can catch, where cdr_status() shows it: a
 * database that does not exist, for one.  A stop that was asked for is none.
 */
static void
note_fatal_error(ErrorData *error)
{
	if (error->elevel == FATAL && error->sqlerrcode != ERRCODE_ADMIN_SHUTDOWN)
	{
		CdrReason reason = cdr_reason_of_error(error);

		cdr_stats_set_error(&reason);
	}
	if (previous_emit_log_hook != NULL)
		previous_emit_log_hook(error);
}

/* At exit, also after a FATAL error: does not leave the broker guessing. */
static void
disconnect_at_exit(int code, Datum worker)
{
	cdr_broker_disconnect(((CdrWorker *) DatumGetPointer(worker))->broker);
}

/*
 * When a start is due, because the postmaster restarts workers at a fixed
 * pace, and at once after a crash: the longer after the last one, the more of
 * them in a row failed or crashed.
 */
static CdrMoment
find_turn(int worker, CdrWorkerState *state)
{
	CdrMoment	turn;
	CdrMoment	crash_turn;
	CdrFailures failures = cdr_stats_failures();
	int			failed = failures.starts + failures.runs;
	int			crashes = cdr_crashes_begin(worker, &crash_turn);
	CdrReason	reason = {.sqlerrcode = ERRCODE_CRASH_SHUTDOWN};

	/* a reload may have come while there was no process to hear of it */
	turn = failed < 2 || PgReloadTime > failures.ended_at
			   ? 0
			   : cdr_after(cdr_backoff(1000, failed - 2, CDR_LONGEST_BACKOFF));
	*state = CDR_STARTING;
	if (crashes > 0)
		cdr_stats_set_crashing_since(cdr_crashes_since());
	if (crash_turn <= turn || cdr_milliseconds_until(crash_turn) == 0)
		return turn;

	reason.message = psprintf("worker crashed %d times in a row", crashes);
	cdr_stats_set_error(&reason);
	ereport(LOG, (errcode(reason.sqlerrcode), errmsg("%s", reason.message),
				  errdetail("Next start in %.1f seconds.",
							cdr_milliseconds_until(crash_turn) / 1000.0),
				  errhint("Look for the cause in the server's log. After "
						  "cdr_resume() the worker starts at once.")));
	*state = CDR_CRASHED;
	return crash_turn;
}

static void
forget_failures(void)
{
	cdr_stats_set_failed_starts(0);
	cdr_stats_set_failed_runs(0);
	cdr_stats_set_failed_connects(0);
}

/*
 * Waits, connected to nothing, until the start is due, or a reload or
 * cdr_resume() asks for it, and while there is a pause.
 */
static void
wait_for_turn(int worker)
{
	CdrWorkerState state;
	CdrMoment	   turn = find_turn(worker, &state);
	bool		   paused;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			/* a crash takes the server along: that must not be hurried */
			if (state != CDR_CRASHED)
				turn = 0;
		}
		if (cdr_crashes_heed_resume())
		{
			forget_failures();
			turn = 0;
		}
		paused = cdr_is_paused();
		if (!paused && cdr_milliseconds_until(turn) == 0)
			break;
		cdr_stats_set_state(paused ? CDR_PAUSED : state);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
							 (paused ? 0 : WL_TIMEOUT),
						 cdr_milliseconds_until(turn), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	cdr_stats_set_state(CDR_STARTING);
}

/*
 * Has freed memory kept for the next batch, which needs as much again: else it
 * goes back to the kernel, which clears new pages, one fault after the other.
 */
static void
keep_freed_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT);
	(void) mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
#endif
}

static void
init_worker(CdrWorker *worker)
{
	snprintf(worker->name, sizeof(worker->name), "cdr_service worker %d on %s",
			 worker->number, cdr_database);
	worker->failed_connects = cdr_stats_failures().connects;
	cdr_unacked_init(&worker->unacked);
	cdr_held_init(&worker->held);
	worker->parse_context = AllocSetContextCreate(
		TopMemoryContext, "cdr_service parse", ALLOCSET_DEFAULT_SIZES);
	worker->broker = cdr_broker_create();
	before_shmem_exit(disconnect_at_exit, PointerGetDatum(worker));
	cdr_stuck_begin(worker);
}

/* Notes the error that ends the worker, where its successor can show it. */
static void
run_until_error(CdrWorker *worker)
{
	MemoryContext loop_context = CurrentMemoryContext;
	CdrMoment	  steady_at = cdr_after(STEADY_AFTER);

	PG_TRY();
	{
		cdr_worker_run(worker);
	}
	PG_CATCH();
	{
		ErrorData *error;
		CdrReason  reason;

		MemoryContextSwitchTo(loop_context);
		error = CopyErrorData();
		reason = cdr_reason_of_error(error);
		cdr_stats_set_error(&reason);
		/* what has been running for a while does not fail at each start */
		cdr_stats_set_failed_runs(cdr_milliseconds_until(steady_at) == 0
									  ? 0
									  : cdr_stats_failures().runs + 1);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * A reload that came while the process started has told it nothing: SIGHUP was
 * ignored.  That is not a reload which somebody asks for now, by which workers
 * try at once.
 */
static void
read_settings_again(void)
{
	TimestampTz reloaded = PgReloadTime;

	ProcessConfigFile(PGC_SIGHUP);
	PgReloadTime = reloaded;
}

void
cdr_worker_main(Datum argument)
{
	static CdrWorker	 worker;
	ErrorContextCallback context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, cdr_cancel_handle);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	read_settings_again();

	context.callback = add_context;
	context.arg = &worker;
	context.previous = error_context_stack;
	error_context_stack = &context;
	worker.number = DatumGetInt32(argument);
	worker.state = CDR_STARTING;

	cdr_stats_attach(worker.number);
	previous_emit_log_hook = emit_log_hook;
	emit_log_hook = note_fatal_error;
	wait_for_turn(worker.number);
	cdr_crashes_set_running();
	/* connecting is a transaction, too, and brings settings along */
	cdr_override_settings();
	BackgroundWorkerInitializeConnection(cdr_database, NULL, 0);
	cdr_override_settings();
	cdr_stats_set_failed_starts(0);
	keep_freed_memory();

	MemoryContextSwitchTo(TopMemoryContext);
	init_worker(&worker);
	run_until_error(&worker);
}

void
cdr_worker_register(void)
{
	for (int i = 0; i < cdr_workers; i++)
	{
		BackgroundWorker worker = {0};

		snprintf(worker.bgw_name, BGW_MAXLEN, "cdr_service worker %d", i);
		snprintf(worker.bgw_type, BGW_MAXLEN, "cdr_service worker");
		worker.bgw_flags =
			BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
		worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		worker.bgw_restart_time = 1;
		snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name),
				 "cdr_service");
		snprintf(worker.bgw_function_name, BGW_MAXLEN, "cdr_worker_main");
		worker.bgw_main_arg = Int32GetDatum(i);
		RegisterBackgroundWorker(&worker);
	}
}
