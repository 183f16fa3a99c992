/*-------------------------------------------------------------------------
 *
 * sealer.c
 *	  The process that seals what was recorded.
 *
 * It is one of its own, so that no worker that consumes waits for a seal.  Where it
 * fails, it ends, with the reason in the server's log, and is started again after a
 * while; events are recorded all the same, and wait for it.
 *
 * It also records who has read calls (log_reads), which is noticed by those who may not
 * wait for that; and applies retention, at an hour of the day, if it is told one.
 *
 * It is there only if one of these is wanted when the server starts: elsewhere it would
 * be a process that does nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/read_ring.h"
#include "base/fault.h"
#include "base/guc.h"
#include "retention/nightly.h"
#include "store/ready.h"
#include "store/seal.h"
#include "store/unsealed.h"
#include "store/writer_query.h"
#include "worker/override.h"
#include "worker/pause.h"
#include "worker/sealer.h"

/* Seconds until it is started again after an error. */
#define START_AGAIN 10

/* Seconds that a worker may take to start. */
#define WORKER_STARTS 60

/* Seconds that reads may wait at most, in memory. */
#define RECORD_READS 5

/* Milliseconds between looks whether it is the hour of retention. */
#define LOOK_AT_CLOCK 60000

/* Seals what waits; false: there is nothing more to seal. */
static bool
seal_once(void)
{
	CdrTables tables;
	CdrRights rights;
	bool	  more = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "sealing events");
	/* what is not there, cdr_health tells */
	if (cdr_tables_find(&tables) && cdr_can_seal(&tables))
	{
		cdr_writer_query_open(&tables, AccessShareLock, &rights);
		if (cdr_has_unsealed(&tables))
			more = cdr_seal_waiting(&tables) > 0;
		cdr_writer_query_close(&rights);
	}
	PopActiveSnapshot();
	CDR_FAULT("before-seal-commit");
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	return more;
}

/* CALL has its snapshots, between its transactions, from the portal that runs it. */
static void
run_call(const char *call)
{
	SPIExecuteOptions options = {.allow_nonatomic = true};
	Portal			  portal = CreateNewPortal();

	portal->visible = false;
	portal->status = PORTAL_ACTIVE;
	ActivePortal = portal;
	PortalContext = portal->portalContext;
	if (SPI_execute_extended(call, &options) < 0)
		elog(ERROR, "retention is not applied");
	if (portal->portalSnapshot != NULL)
		PopActiveSnapshot();
	portal->portalSnapshot = NULL;
	ActivePortal = NULL;
	PortalContext = NULL;
	portal->status = PORTAL_DONE;
	PortalDrop(portal, false);
}

/* Where there are rules: it commits what it does by and by. */
static void
apply_retention(void)
{
	CdrTables tables;
	char	 *call = NULL;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, "applying retention");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	if (cdr_tables_find(&tables) &&
		cdr_evidence_table_is_ours(&tables, "cdr_retention"))
		/* of all arguments, with their types: no other of that name is meant */
		call = psprintf("CALL %s.cdr_apply_retention(10000, NULL::bigint, "
						"NULL::boolean)",
						tables.quoted);
	PopActiveSnapshot();
	if (call != NULL)
		run_call(call);
	SPI_finish();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* What fails is told, tried again the next day, and keeps nobody from sealing. */
static void
try_retention(void)
{
	MemoryContext context = CurrentMemoryContext;

	cdr_nightly_begin();
	PG_TRY();
	{
		apply_retention();
		cdr_nightly_succeed();
	}
	PG_CATCH();
	{
		const char	   *portal = NULL;
		CdrReasonBuffer why;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		cdr_fail_with_error(&why);
		if (ActivePortal != NULL)
		{
			portal = pstrdup(ActivePortal->name);
			ActivePortal->status = PORTAL_FAILED;
		}
		ActivePortal = NULL;
		PortalContext = NULL;
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		/* one that has outlived a commit is not dropped by that */
		if (portal != NULL && GetPortalByName(portal) != NULL)
			PortalDrop(GetPortalByName(portal), false);
		pgstat_report_activity(STATE_IDLE, NULL);
		cdr_nightly_fail(&why.reason);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

/* Milliseconds until there may be something to do. */
static long
until_next_look(void)
{
	long next = cdr_seal_interval * 1000L;

	if (cdr_log_reads)
		next = Min(next, RECORD_READS * 1000L);
	if (cdr_retention_hour >= 0)
		next = Min(next, LOOK_AT_CLOCK);
	return next;
}

static void
wait_for_reload(long milliseconds)
{
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (milliseconds < 0 ? 0 : WL_TIMEOUT),
					 milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* pg_upgrade forgets that the tables are the extension's, until a worker has started. */
static bool
are_tables_forgotten(void)
{
	CdrTables tables;
	bool	  are_forgotten;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	are_forgotten = cdr_tables_find(&tables) && cdr_adoption_is_due(&tables);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return are_forgotten;
}

void
cdr_sealer_main(Datum argument)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	/* a reload that came while the process started has told it nothing */
	ProcessConfigFile(PGC_SIGHUP);

	/* a process cannot leave a database: so a pause ends it, and begins here */
	while (cdr_is_paused())
		wait_for_reload(-1);
	cdr_override_settings();
	BackgroundWorkerInitializeConnection(cdr_database, NULL, 0);
	cdr_override_settings();
	for (int i = 0; i < WORKER_STARTS && are_tables_forgotten(); i++)
		wait_for_reload(1000);
	cdr_reads_serve();

	for (;;)
	{
		cdr_reads_record();
		while (!cdr_is_paused() && seal_once())
			CHECK_FOR_INTERRUPTS();
		if (cdr_is_paused())
		{
			cdr_reads_record();
			proc_exit(1);
		}
		if (cdr_nightly_is_due())
			try_retention();
		wait_for_reload(until_next_look());
		cdr_override_settings();
	}
}

void
cdr_sealer_register(void)
{
	BackgroundWorker worker = {0};

	if (!cdr_evidence && !cdr_log_reads && cdr_retention_hour < 0)
		return;
	snprintf(worker.bgw_name, BGW_MAXLEN, "cdr_service sealer");
	snprintf(worker.bgw_type, BGW_MAXLEN, "cdr_service sealer");
	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = START_AGAIN;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name),
			 "cdr_service");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "cdr_sealer_main");
	RegisterBackgroundWorker(&worker);
}
