/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The life of a worker, as a small state machine.
 *
 *	starting -> paused
 *	starting -> waiting for extension -> connecting -> consuming
 *	consuming -> storing -> consuming		(a batch, durable, acknowledged)
 *	storing -> retrying -> storing			(the moment was wrong: keep it)
 *	any of these -> backing off -> connecting		(the broker failed)
 *	any of these -> waiting for extension			(the tables are gone)
 *	any of these -> not configured, while no server is named
 *
 * Each turn of the main loop serves interrupts and a reload, then takes one
 * step of its state, and no step blocks for longer than a wait in which
 * interrupts are served.
 *
 * Nothing is ever owed to the broker but acknowledgements: a batch that is
 * dropped, for whatever reason, is delivered again, and a batch that was
 * stored but not acknowledged is recognised when it comes again.
 *
 * A paused worker must hold neither the broker's nor the database's
 * attention, and a process cannot leave a database: so it exits, and its
 * successor waits before it connects to anything.
 *
 * Memory.  Messages of the batch in hand live in batch_context, reset when
 * the last of them is acknowledged.  What is parsed out of them lives in
 * parse_context, reset for each try.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/syncrep.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/guc.h"
#include "broker/broker.h"
#include "event/event.h"
#include "store/catalog.h"
#include "store/partition.h"
#include "store/store.h"
#include "worker/stats.h"
#include "worker/worker.h"

/* Milliseconds. */
#define EXTENSION_POLL		 1000
#define FIRST_CONNECT_DELAY	 500
#define LONGEST_BACKOFF		 60000
#define FIRST_RETRY_DELAY	 100
#define LONGEST_RETRY_DELAY	 10000
#define LINGER_STEP			 5
#define MAINTENANCE_INTERVAL 600000
#define MAINTENANCE_RETRY	 30000

/* Bytes of messages after which a batch is full, and after which one that
 * cannot be stored is given back to the broker. */
#define BATCH_BYTES_MAX (16 * 1024 * 1024)
#define HELD_BYTES_MAX	(64 * 1024 * 1024)

/* Bytes of memory that a worker keeps for its next batch. */
#define MEMORY_KEPT (32 * 1024 * 1024)

/* A lock that is held longer than this is waited for with the batch kept. */
#define LOCK_TIMEOUT "1s"

typedef struct Worker
{
	int			   number;
	CdrWorkerState state;
	CdrBroker	  *broker;
	char		   name[128]; /* of the connection, on the broker */

	/* the batch in hand */
	MemoryContext batch_context;
	MemoryContext parse_context;
	CdrMessage	 *messages;
	uint64		 *tags;
	int			  capacity;
	int			  nmessages;
	int			  nstored;	  /* the first so many are acknowledged */
	uint32		  generation; /* of the session that they came from */
	size_t		  bytes;
	TimestampTz	  first_at; /* when the first of them came */

	int			failed_connects; /* in a row */
	int			failed_stores;	 /* in a row */
	bool		read_only;		 /* was the reason of the last one */
	TimestampTz wake_at;		 /* of backing off and retrying */
	TimestampTz maintain_at;	 /* when to look after partitions again */
	bool		stats_pending;
	bool		warned; /* of something about this session */
} Worker;

/*
 * True inside of a transaction: elsewhere there is nothing that a cancel
 * could mean.
 */
static volatile sig_atomic_t in_transaction = false;

/* SIGINT: pg_cancel_backend(), and the server's own lock_timeout. */
static void
handle_cancel(SIGNAL_ARGS)
{
	if (in_transaction)
	{
		cdr_store_cancel_seen = true;
		StatementCancelHandler(postgres_signal_arg);
	}
}

static void
begin_cancellable(void)
{
	in_transaction = true;
}

static void
end_cancellable(void)
{
	in_transaction = false;
	QueryCancelPending = false;
}

/* ------------------------------------------------------------------------
 * States
 * ------------------------------------------------------------------------
 */

static void
enter(Worker *worker, CdrWorkerState state)
{
	worker->state = state;
	cdr_stats_set_state(state);
}

/* Milliseconds until a time, at least 0. */
static long
until(TimestampTz time)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), time);
}

/* first * 2^failures, at most longest, less up to half of it by chance. */
static long
backoff(long first, int failures, long longest)
{
	double delay =
		Min((double) first * (1L << Min(failures, 20)), (double) longest);

	return (long) (delay * (1.0 - pg_prng_double(&pg_global_prng_state) / 2));
}

static void
wake_after(Worker *worker, long milliseconds)
{
	worker->wake_at =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds);
}

/* Forgets the batch in hand; what of it is not acknowledged comes again. */
static void
drop_batch(Worker *worker)
{
	MemoryContextReset(worker->batch_context);
	worker->messages = NULL;
	worker->tags = NULL;
	worker->capacity = 0;
	worker->nmessages = 0;
	worker->nstored = 0;
	worker->bytes = 0;
}

static void
disconnect(Worker *worker)
{
	cdr_broker_disconnect(worker->broker);
	cdr_stats_set_disconnected();
	drop_batch(worker);
}

/* The session with the broker failed, or could not be had. */
static void
back_off(Worker *worker)
{
	const CdrReason *reason = cdr_broker_reason(worker->broker);
	long			 delay =
		backoff(FIRST_CONNECT_DELAY, worker->failed_connects, LONGEST_BACKOFF);

	cdr_stats_set_error(cdr_sqlstate_text(reason->sqlerrcode),
						reason->message);
	ereport(LOG, (errmsg("cdr_service worker %d: %s", worker->number,
						 reason->message),
				  errdetail("Next try in %.1f seconds.", delay / 1000.0)));
	disconnect(worker);
	worker->failed_connects++;
	wake_after(worker, delay);
	enter(worker, CDR_BACKING_OFF);
}

/* Is the extension there, in a version that this library knows? */
static bool
find_extension(void)
{
	CdrTables tables;
	bool	  found;

	begin_cancellable();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	found = cdr_catalog_find(&tables);
	if (found && !cdr_catalog_is_supported(&tables))
	{
		cdr_stats_set_error(
			"0A000", psprintf("version \"%s\" of extension \"%s\" needs "
							  "another version of its library; restart the "
							  "server after an update",
							  tables.version, CDR_EXTENSION_NAME));
		found = false;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	end_cancellable();
	return found;
}

/* Where to go once the extension is known to be there. */
static void
enter_connecting(Worker *worker)
{
	if (cdr_amqp_uri[0] == '\0')
	{
		cdr_stats_set_error("55000", "cdr_service.amqp_uri names no server");
		enter(worker, CDR_NOT_CONFIGURED);
	}
	else
		enter(worker, CDR_CONNECTING);
}

static void
wait_for_extension(Worker *worker)
{
	if (find_extension())
	{
		worker->maintain_at = 0;
		worker->failed_connects = 0;
		enter_connecting(worker);
	}
	else
		cdr_broker_wait(worker->broker, EXTENSION_POLL);
}

/* Shows what is to be feared of this session; or that nothing is, any more. */
static void
show_warning(Worker *worker)
{
	const char *warning = cdr_broker_warning(worker->broker);

	worker->warned = warning[0] != '\0';
	cdr_stats_set_warning(warning);
	if (worker->warned)
		ereport(
			LOG,
			(errmsg("cdr_service worker %d: %s", worker->number, warning),
			 errhint("Give the queue a dead-letter exchange, or a delivery "
					 "limit that is never reached.")));
}

static void
connect_to_broker(Worker *worker)
{
	if (!cdr_broker_connect(worker->broker, worker->name))
	{
		back_off(worker);
		return;
	}
	CDR_FAULT("after-connect");
	worker->failed_connects = 0;
	cdr_stats_set_connected(cdr_broker_host(worker->broker), cdr_queue);
	ereport(
		LOG,
		(errmsg("cdr_service worker %d: consuming from queue \"%s\" at %s",
				worker->number, cdr_queue, cdr_broker_host(worker->broker))));
	show_warning(worker);
	enter(worker, CDR_CONSUMING);
}

/* ------------------------------------------------------------------------
 * The batch in hand
 * ------------------------------------------------------------------------
 */

/* Makes room for one more message. */
static void
reserve(Worker *worker)
{
	MemoryContext outer;

	if (worker->nmessages < worker->capacity)
		return;
	outer = MemoryContextSwitchTo(worker->batch_context);
	if (worker->capacity == 0)
	{
		worker->capacity = cdr_batch_size;
		worker->messages = palloc(worker->capacity * sizeof(CdrMessage));
		worker->tags = palloc(worker->capacity * sizeof(uint64));
	}
	else
	{
		worker->capacity *= 2;
		worker->messages = repalloc_huge(
			worker->messages, worker->capacity * sizeof(CdrMessage));
		worker->tags =
			repalloc_huge(worker->tags, worker->capacity * sizeof(uint64));
	}
	MemoryContextSwitchTo(outer);
}

static void
add_delivery(Worker *worker, const CdrDelivery *delivery)
{
	if (worker->nmessages == 0)
		worker->first_at = delivery->message.received_at;
	worker->generation = delivery->generation;
	worker->messages[worker->nmessages] = delivery->message;
	worker->tags[worker->nmessages] = delivery->tag;
	worker->nmessages++;
	worker->bytes += delivery->message.body_length;
}

/*
 * Takes deliveries until there are limit messages, or as many bytes, or
 * nothing more has come.
 */
static CdrReceive
receive(Worker *worker, int limit, size_t byte_limit)
{
	CdrReceive result = CDR_RECEIVED;
	int		   before = worker->nmessages;

	while (worker->nmessages < limit && worker->bytes < byte_limit)
	{
		CdrDelivery delivery;

		reserve(worker);
		result = cdr_broker_receive(worker->broker, worker->batch_context,
									&delivery);
		if (result != CDR_RECEIVED)
			break;
		add_delivery(worker, &delivery);
		CDR_FAULT("after-receive");
	}
	if (worker->nmessages > before)
		cdr_stats_add_received(worker->nmessages - before);
	if (!worker->warned && cdr_broker_warning(worker->broker)[0] != '\0')
		show_warning(worker);
	return result;
}

/* Parses the next messages of the batch that are to be stored together. */
static CdrEvent *
parse_chunk(Worker *worker, int *count)
{
	CdrEventOptions options = {.max_event_size = cdr_max_event_size,
							   .extension_digits = cdr_extension_digits};
	MemoryContext	outer = MemoryContextSwitchTo(worker->parse_context);
	CdrEvent	   *events;

	*count = Min(worker->nmessages - worker->nstored, cdr_batch_size);
	events = palloc(*count * sizeof(CdrEvent));
	for (int i = 0; i < *count; i++)
		(void) cdr_event_parse(&worker->messages[worker->nstored + i],
							   &options, &events[i]);
	MemoryContextSwitchTo(outer);
	return events;
}

/* The batch cannot be stored now: keep it, with the connection alive. */
static void
retry_later(Worker *worker, const CdrStoreResult *result)
{
	long delay =
		backoff(FIRST_RETRY_DELAY, worker->failed_stores, LONGEST_RETRY_DELAY);

	cdr_stats_set_error(result->sqlstate, result->error);
	if (worker->failed_stores == 0)
		ereport(LOG,
				(errmsg("cdr_service worker %d: could not store a batch: %s",
						worker->number, result->error),
				 errdetail("It is kept and tried again until it is stored.")));
	worker->failed_stores++;
	worker->read_only =
		strcmp(result->sqlstate,
			   unpack_sql_state(ERRCODE_READ_ONLY_SQL_TRANSACTION)) == 0;
	wake_after(worker, delay);
	enter(worker, CDR_RETRYING);
}

/* A chunk is durable: acknowledge it. */
static void
acknowledge(Worker *worker, int count, const CdrStoreResult *result)
{
	uint64 tag = worker->tags[worker->nstored + count - 1];

	worker->failed_stores = 0;
	worker->stats_pending = true;
	cdr_stats_add_batch(result->recorded, result->duplicates,
						result->dead_letters, result->last_event_time,
						result->committed_at);
	if (result->dead_letters > 0)
		cdr_stats_set_error(result->sqlstate, result->error);
	CDR_FAULT("before-ack");
	if (!cdr_broker_ack(worker->broker, worker->generation, tag))
	{
		back_off(worker);
		return;
	}
	CDR_FAULT("after-ack");
	worker->nstored += count;
	if (worker->nstored == worker->nmessages)
		drop_batch(worker);
	enter(worker, CDR_CONSUMING);
}

/* Stores the next part of the batch, and says what that came to. */
static void
store(Worker *worker)
{
	MemoryContext	outer = MemoryContextSwitchTo(worker->parse_context);
	CdrStoreResult	result;
	CdrStoreOutcome outcome;
	CdrEvent	   *events;
	int				count;

	enter(worker, CDR_STORING);
	events = parse_chunk(worker, &count);
	begin_cancellable();
	outcome = cdr_store_batch(events, count, &result);
	end_cancellable();
	MemoryContextSwitchTo(outer);
	MemoryContextReset(worker->parse_context);

	switch (outcome)
	{
		case CDR_STORE_DONE:
			acknowledge(worker, count, &result);
			break;
		case CDR_STORE_RETRY:
			retry_later(worker, &result);
			break;
		case CDR_STORE_NOT_DURABLE:
			cdr_stats_set_error("57014",
								"wait for a synchronous standby was "
								"cancelled: the batch is not acknowledged");
			disconnect(worker);
			enter_connecting(worker);
			break;
		case CDR_STORE_NO_TABLES:
			ereport(LOG,
					(errmsg("cdr_service worker %d: waiting for extension "
							"\"%s\"",
							worker->number, CDR_EXTENSION_NAME),
					 errdetail("It was dropped, or is of another version than "
							   "its library.")));
			disconnect(worker);
			enter(worker, CDR_WAITING_FOR_EXTENSION);
			break;
	}
}

/* ------------------------------------------------------------------------
 * Steps
 * ------------------------------------------------------------------------
 */

/* Looks after partitions, now and then. */
static void
maintain(Worker *worker)
{
	char sqlstate[6];
	char error[CDR_ERROR_LENGTH];
	bool done;

	if (worker->maintain_at != 0 && until(worker->maintain_at) > 0)
		return;
	begin_cancellable();
	done = cdr_partition_maintain(sqlstate, error, sizeof(error));
	end_cancellable();
	if (!done)
		cdr_stats_set_error(sqlstate, error);
	worker->stats_pending = true;
	worker->maintain_at = TimestampTzPlusMilliseconds(
		GetCurrentTimestamp(),
		done ? MAINTENANCE_INTERVAL : MAINTENANCE_RETRY);
}

/* Is the batch to be stored, after what receive() said? */
static bool
is_batch_due(const Worker *worker, CdrReceive received)
{
	if (worker->nmessages == 0)
		return false;
	/* full; or the rest of one that was received while it could not be stored */
	if (received == CDR_RECEIVED || worker->nstored > 0)
		return true;
	return until(TimestampTzPlusMilliseconds(worker->first_at,
											 cdr_batch_linger)) <= 0;
}

/* Before a wait: lets autovacuum and the statistics views see our work. */
static void
report_stats(Worker *worker)
{
	if (worker->stats_pending)
		pgstat_report_stat(true);
	worker->stats_pending = false;
}

/*
 * Waits for the first message of a batch; or for more of it, but without
 * waking for each, which costs more than to take them together.
 */
static void
wait_for_messages(Worker *worker)
{
	if (worker->nmessages == 0)
	{
		report_stats(worker);
		cdr_broker_wait(worker->broker,
						Min(cdr_heartbeat * 500L, until(worker->maintain_at)));
	}
	else
		cdr_broker_linger(
			worker->broker,
			Min(LINGER_STEP, until(TimestampTzPlusMilliseconds(
								 worker->first_at, cdr_batch_linger))));
}

static void
consume(Worker *worker)
{
	int		   limit = Min(cdr_batch_size, cdr_prefetch);
	CdrReceive received;

	maintain(worker);
	received = receive(worker, limit, BATCH_BYTES_MAX);
	if (received == CDR_BROKER_LOST)
		back_off(worker);
	else if (is_batch_due(worker, received))
	{
		store(worker);
		/* the server flushes these at most once a second */
		(void) pgstat_report_stat(false);
	}
	else
		wait_for_messages(worker);
}

/*
 * ALTER DATABASE ... RESET reaches new sessions only: so if that is what a
 * batch waits for, the next process of this worker is the one to store it.
 */
static void
end_if_outdated(Worker *worker)
{
	bool outdated;

	if (!worker->read_only)
		return;
	begin_cancellable();
	outdated = cdr_store_is_outdated();
	end_cancellable();
	if (!outdated)
		return;
	ereport(LOG, (errmsg("cdr_service worker %d: starting again, because "
						 "database or role are not read-only any more",
						 worker->number)));
	proc_exit(1);
}

/* Keeps the session alive while a batch waits for its next try. */
static void
retry(Worker *worker)
{
	if (receive(worker, INT_MAX, HELD_BYTES_MAX) == CDR_BROKER_LOST)
		back_off(worker);
	else if (worker->bytes >= HELD_BYTES_MAX)
	{
		/* give it back to the broker, which has more room */
		disconnect(worker);
		wake_after(worker, LONGEST_RETRY_DELAY);
		enter(worker, CDR_BACKING_OFF);
	}
	else if (until(worker->wake_at) <= 0)
	{
		end_if_outdated(worker);
		store(worker);
	}
	else
		cdr_broker_wait(worker->broker,
						Min(until(worker->wake_at), cdr_heartbeat * 500L));
}

static void
step(Worker *worker)
{
	switch (worker->state)
	{
		case CDR_WAITING_FOR_EXTENSION:
			wait_for_extension(worker);
			break;
		case CDR_NOT_CONFIGURED:
			report_stats(worker);
			cdr_broker_wait(worker->broker, LONGEST_BACKOFF);
			break;
		case CDR_CONNECTING:
			connect_to_broker(worker);
			break;
		case CDR_CONSUMING:
			consume(worker);
			break;
		case CDR_RETRYING:
			retry(worker);
			break;
		case CDR_BACKING_OFF:
			report_stats(worker);
			if (until(worker->wake_at) > 0)
				cdr_broker_wait(worker->broker, until(worker->wake_at));
			else if (find_extension())
				enter_connecting(worker);
			else
				enter(worker, CDR_WAITING_FOR_EXTENSION);
			break;
		case CDR_NOT_STARTED:
		case CDR_STARTING:
		case CDR_PAUSED:
		case CDR_STORING:
		case CDR_STOPPED:
			elog(ERROR, "worker cannot stay in state \"%s\"",
				 cdr_stats_state_name(worker->state));
	}
}

/* ------------------------------------------------------------------------
 * Start, reload, end
 * ------------------------------------------------------------------------
 */

/* Leaves broker and database; the next process of this worker waits. */
static void
pause_worker(Worker *worker)
{
	disconnect(worker);
	enter(worker, CDR_PAUSED);
	ereport(LOG, (errmsg("cdr_service worker %d: paused", worker->number)));
	proc_exit(1);
}

/* Applies a reload of the settings. */
static void
reload(Worker *worker)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);

	if (cdr_paused)
		pause_worker(worker);
	if (worker->state == CDR_NOT_CONFIGURED)
		enter_connecting(worker);
	else if (cdr_broker_settings_changed(worker->broker) &&
			 worker->state != CDR_WAITING_FOR_EXTENSION)
	{
		disconnect(worker);
		worker->failed_connects = 0;
		enter_connecting(worker);
	}
}

/* At exit, also after a FATAL error: does not leave the broker guessing. */
static void
disconnect_at_exit(int code, Datum worker)
{
	cdr_broker_disconnect(((Worker *) DatumGetPointer(worker))->broker);
}

/*
 * Sleeps before a start that others before it did not survive, the longer the
 * more there were, because the postmaster restarts workers at a fixed pace.
 */
static void
wait_out_failures(void)
{
	int			failed = cdr_stats_begin_start();
	TimestampTz end;

	if (failed < 2)
		return;
	end = TimestampTzPlusMilliseconds(
		GetCurrentTimestamp(), backoff(1000, failed - 2, LONGEST_BACKOFF));
	while (until(end) > 0)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 until(end), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Waits for cdr_resume(), connected to nothing. */
static void
wait_while_paused(void)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (!cdr_paused)
			break;
		cdr_stats_set_state(CDR_PAUSED);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	cdr_stats_set_state(CDR_STARTING);
}

/*
 * What our transactions need, whatever roles and databases are set to: as
 * autovacuum does for its own.
 */
static void
override_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"lock_timeout", LOCK_TIMEOUT},
		{"DateStyle", "ISO, YMD"},
		{"TimeZone", "UTC"},
		{"row_security", "on"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET,
						PGC_S_OVERRIDE);

	/* an acknowledgement means that the commit is durable */
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		SetConfigOption("synchronous_commit", "on", PGC_SUSET, PGC_S_OVERRIDE);
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
init_worker(Worker *worker, int number)
{
	memset(worker, 0, sizeof(Worker));
	worker->number = number;
	snprintf(worker->name, sizeof(worker->name), "cdr_service worker %d on %s",
			 number, cdr_database);
	worker->batch_context = AllocSetContextCreate(
		TopMemoryContext, "cdr_service batch", ALLOCSET_DEFAULT_SIZES);
	worker->parse_context = AllocSetContextCreate(
		TopMemoryContext, "cdr_service parse", ALLOCSET_DEFAULT_SIZES);
	worker->broker = cdr_broker_create();
	before_shmem_exit(disconnect_at_exit, PointerGetDatum(worker));
}

/* Notes the error that ends the worker, where its successor can show it. */
static void
run(Worker *worker)
{
	MemoryContext loop_context = CurrentMemoryContext;

	PG_TRY();
	{
		enter(worker, CDR_WAITING_FOR_EXTENSION);
		for (;;)
		{
			Assert(CurrentMemoryContext == loop_context);
			CHECK_FOR_INTERRUPTS();
			/* with a backlog there is no wait that would notice */
			if (!PostmasterIsAlive())
				proc_exit(1);
			reload(worker);
			step(worker);
		}
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(loop_context);
		error = CopyErrorData();
		cdr_stats_set_error(unpack_sql_state(error->sqlerrcode),
							error->message ? error->message : "");
		PG_RE_THROW();
	}
	PG_END_TRY();
}

void
cdr_worker_main(Datum argument)
{
	static Worker worker;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, handle_cancel);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	cdr_stats_attach(DatumGetInt32(argument));
	wait_out_failures();
	wait_while_paused();
	BackgroundWorkerInitializeConnection(cdr_database, NULL, 0);
	override_settings();
	cdr_stats_end_start();
	keep_freed_memory();

	MemoryContextSwitchTo(TopMemoryContext);
	init_worker(&worker, DatumGetInt32(argument));
	run(&worker);
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
