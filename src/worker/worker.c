/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The life of a worker, as a small state machine.
 *
 *	starting -> crashed -> starting			(see crashes.c)
 *	starting, crashed -> paused
 *	starting -> waiting for extension, waiting for tables -> connecting
 *	connecting -> consuming
 *	consuming -> storing -> consuming		(a batch, durable, acknowledged)
 *	storing -> retrying -> storing			(the moment was wrong: keep it)
 *	retrying, consuming -> waiting to store -> connecting	(given back: too much)
 *	any of these -> backing off -> connecting		(the broker failed)
 *	any of these -> waiting for extension			(it is gone)
 *	storing, backing off -> waiting for tables		(they do not fit)
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
 * Memory.  Messages live where unacked.c has them.  What is parsed out of them
 * lives in parse_context, reset for each try.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/guc.h"
#include "store/late.h"
#include "store/partition.h"
#include "store/read_only.h"
#include "store/ready.h"
#include "store/tables.h"
#include "worker/alerts.h"
#include "worker/crashes.h"
#include "worker/delay.h"
#include "worker/folding.h"
#include "worker/given_back.h"
#include "worker/override.h"
#include "worker/pause.h"
#include "worker/states.h"
#include "worker/stats.h"
#include "worker/storing.h"
#include "worker/stuck.h"
#include "worker/waiting.h"
#include "worker/worker.h"

/* Milliseconds. */
#define TABLES_POLL			 1000
#define LINGER_STEP			 5
#define FULL_STEP			 100
#define MAINTENANCE_INTERVAL 600000
#define MAINTENANCE_RETRY	 30000
#define ASK_INTERVAL		 10000

/* Bytes of messages after which what cannot be stored is given back to the
 * broker. */
#define HELD_BYTES_MAX (64 * 1024 * 1024)

/* Goes on if events can be stored. */
static void
look_at_tables(CdrWorker *worker)
{
	CdrReasonBuffer why = {0};
	CdrTablesState	state;

	cdr_cancel_begin();
	state = cdr_tables_prepare(&why);
	cdr_cancel_end();
	switch (state)
	{
		case CDR_TABLES_FIT:
			if (why.reason.sqlerrcode != 0)
				cdr_stats_set_error(&why.reason);
			else if (worker->state == CDR_WAITING_FOR_EXTENSION)
				/* to wait for it was no failure */
				cdr_stats_forget_error();
			cdr_worker_enter_connecting(worker);
			break;
		case CDR_TABLES_UNFIT:
			cdr_worker_wait_for_tables(worker, &why.reason);
			break;
		case CDR_NO_EXTENSION:
			cdr_worker_wait_for_extension(worker);
			break;
	}
}

/* The extension or its tables are not there yet, or not fit. */
static void
wait_for_tables(CdrWorker *worker)
{
	look_at_tables(worker);
	if (worker->state == CDR_WAITING_FOR_EXTENSION ||
		worker->state == CDR_WAITING_FOR_TABLES)
		cdr_broker_wait(worker->broker, TABLES_POLL);
	else
		worker->maintain_at = 0;
}

/* Shows what is to be feared of this session; or that nothing is, any more. */
static void
show_warning(CdrWorker *worker)
{
	if (cdr_broker_warning_is_new(worker->broker))
		cdr_stats_set_warning(cdr_broker_warning(worker->broker));
}

/* Shows where and as whom the worker connects, also if it could not. */
static void
show_server(CdrWorker *worker)
{
	cdr_stats_set_server(cdr_broker_host(worker->broker),
						 cdr_broker_vhost(worker->broker),
						 cdr_broker_user(worker->broker), cdr_queue);
}

static void
connect_to_broker(CdrWorker *worker)
{
	bool connected = cdr_broker_connect(worker->broker, worker->name);

	show_server(worker);
	if (!connected)
	{
		cdr_worker_back_off(worker);
		return;
	}
	CDR_FAULT("after-connect");
	cdr_stats_set_connected();
	ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
				  errmsg("consuming from queue \"%s\" at %s", cdr_queue,
						 cdr_broker_host(worker->broker))));
	show_warning(worker);
	cdr_worker_begin_session(worker);
	/* connecting has asked already */
	worker->backlog = worker->consumers = -1;
	worker->ask_at = cdr_after(ASK_INTERVAL);
	cdr_worker_enter(worker, CDR_CONSUMING);
}

/* ------------------------------------------------------------------------
 * Messages to batches
 * ------------------------------------------------------------------------
 */

/*
 * Shows how much waits on the queue, and asks again, but not so often that it
 * would cost anything: whoever is idle wakes for the heartbeats, and once more
 * for the answer.
 */
static void
show_backlog(CdrWorker *worker)
{
	int64 backlog = cdr_broker_backlog(worker->broker);
	int64 consumers = cdr_broker_consumers(worker->broker);
	int64 others = cdr_broker_other_consumers(worker->broker);

	if (backlog != worker->backlog || consumers != worker->consumers ||
		others != worker->others)
		cdr_stats_set_queue(backlog, consumers, others);
	worker->backlog = backlog;
	worker->consumers = consumers;
	worker->others = others;
	if (cdr_milliseconds_until(worker->ask_at) > 0)
		return;
	worker->ask_at = cdr_after(ASK_INTERVAL);
	cdr_broker_expect_replaced(worker->broker, cdr_stats_any_waits());
	/* if it cannot be sent, the next receive says why */
	(void) cdr_broker_ask(worker->broker);
}

/* Takes what has come; see cdr_unacked_receive(). */
static CdrReceive
receive_messages(CdrWorker *worker, int limit, size_t byte_limit)
{
	int		   before = worker->unacked.count;
	CdrReceive result = cdr_unacked_receive(&worker->unacked, worker->broker,
											limit, byte_limit);

	if (worker->unacked.count > before)
		cdr_stats_add_received(worker->unacked.count - before);
	if (result != CDR_BROKER_LOST)
		show_backlog(worker);
	show_warning(worker);
	return result;
}

/* ------------------------------------------------------------------------
 * Steps
 * ------------------------------------------------------------------------
 */

/* Looks after the partitions that are needed soon, now and then. */
static void
make_partitions_ahead(CdrWorker *worker)
{
	CdrReasonBuffer buffer;
	bool			done;

	/* not what the process before got stuck with */
	if (cdr_milliseconds_until(worker->partitions_at) > 0)
		worker->maintain_at = Max(worker->maintain_at, worker->partitions_at);
	if (worker->maintain_at != 0 &&
		cdr_milliseconds_until(worker->maintain_at) > 0)
		return;
	cdr_cancel_begin();
	done = cdr_partition_maintain(&buffer);
	cdr_cancel_end();
	if (!done)
		cdr_stats_set_error(&buffer.reason);
	worker->stats_pending = true;
	worker->maintain_at =
		cdr_after(done ? MAINTENANCE_INTERVAL
					   : cdr_backoff(MAINTENANCE_RETRY, worker->failed_upkeeps,
									 MAINTENANCE_INTERVAL));
	/* each failure is logged: so they become rarer */
	worker->failed_upkeeps = done ? 0 : worker->failed_upkeeps + 1;
}

static bool
is_late_due(const CdrWorker *worker)
{
	return cdr_milliseconds_until(worker->partitions_at) == 0 &&
		   cdr_late_is_due();
}

/* Looks after those of late events, one in a turn, as soon as they are due. */
static void
make_late_partition(CdrWorker *worker)
{
	CdrReasonBuffer buffer;
	bool			done;

	if (!is_late_due(worker))
		return;
	cdr_cancel_begin();
	done = cdr_partition_make_late(&buffer);
	cdr_cancel_end();
	if (!done)
		cdr_stats_set_error(&buffer.reason);
	worker->stats_pending = true;
}

/* Milliseconds for which a batch that is not full still waits for more. */
static long
linger_left(const CdrWorker *worker)
{
	long left =
		cdr_batch_linger - cdr_milliseconds_since(worker->unacked.first_at);

	return Max(left, 0);
}

/* Is the batch to be stored, after what receive_messages() said? */
static bool
is_batch_due(const CdrWorker *worker, CdrReceive received)
{
	if (worker->unacked.count == 0)
		return false;
	/* full; or the rest of one that was received while it could not be stored */
	if (received == CDR_RECEIVED || worker->unacked.acknowledged > 0)
		return true;
	return linger_left(worker) == 0;
}

/* Before a wait: lets autovacuum and the statistics views see our work. */
static void
report_stats(CdrWorker *worker)
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
wait_for_messages(CdrWorker *worker)
{
	if (worker->unacked.count == 0)
	{
		long timeout = Min(cdr_heartbeat * 500L,
						   cdr_milliseconds_until(worker->maintain_at));

		timeout = Min(timeout, cdr_worker_alerts_due(worker));
		if (!worker->proved)
			timeout = Min(timeout, cdr_milliseconds_until(worker->proved_at));
		timeout = cdr_worker_fold_due(worker, timeout);
		report_stats(worker);
		cdr_broker_wait(worker->broker,
						Min(timeout, cdr_worker_held_due(worker)));
	}
	else
		cdr_broker_linger(worker->broker,
						  Min(LINGER_STEP, linger_left(worker)));
}

/*
 * Messages take all the memory that they may, and nothing more is received: do they
 * for so long that they must be given back?  The broker must not take us for dead,
 * because we do not read what it sends.
 */
static bool
is_full_for_long(CdrWorker *worker)
{
	if (worker->full_since == 0)
		worker->full_since = cdr_now();
	return cdr_milliseconds_since(worker->full_since) > cdr_heartbeat * 1000L;
}

/*
 * What waits takes all the memory that it may: nothing more is received until some
 * of it became dead letters.  If that does not help, the broker has more room.
 */
static void
wait_for_room(CdrWorker *worker)
{
	if (!is_full_for_long(worker))
	{
		report_stats(worker);
		cdr_broker_linger(worker->broker,
						  Min(LINGER_STEP, cdr_worker_held_due(worker)));
		return;
	}
	cdr_worker_give_back(worker, &cdr_held_next(&worker->held)->message);
}

/* Takes what has come, if there is room for it. */
static CdrReceive
receive_batch(CdrWorker *worker)
{
	if (cdr_worker_is_full(worker))
		/* what was received before is a batch */
		return CDR_RECEIVED;
	worker->full_since = 0;
	return receive_messages(worker, Min(cdr_batch_size, cdr_prefetch),
							CDR_BATCH_BYTES_MAX);
}

static void
consume_messages(CdrWorker *worker)
{
	CdrReceive received;

	make_partitions_ahead(worker);
	make_late_partition(worker);
	cdr_worker_fold(worker);
	cdr_worker_check_alerts(worker);
	if (!worker->proved && cdr_milliseconds_until(worker->proved_at) == 0)
		cdr_worker_prove(worker);
	received = receive_batch(worker);
	if (received == CDR_BROKER_LOST)
		cdr_worker_back_off(worker);
	else if (!worker->held_waits && cdr_worker_store_held(worker))
	{
		/* a batch first, if one is due */
		worker->held_waits = true;
		(void) pgstat_report_stat(false);
	}
	else if (is_batch_due(worker, received))
	{
		worker->held_waits = false;
		cdr_worker_store(worker);
		/* the server flushes these at most once a second */
		(void) pgstat_report_stat(false);
	}
	else if (worker->held_waits)
		worker->held_waits = false;
	else if (cdr_worker_is_full(worker))
		wait_for_room(worker);
	else if (!is_late_due(worker))
		wait_for_messages(worker);
}

/*
 * ALTER DATABASE ... RESET reaches new sessions only: so if that is what a
 * batch waits for, the next process of this worker is the one to store it.
 */
static void
end_if_outdated(CdrWorker *worker)
{
	bool outdated;

	if (!worker->read_only)
		return;
	cdr_cancel_begin();
	outdated = cdr_read_only_was_lifted();
	cdr_cancel_end();
	if (!outdated)
		return;
	ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
				  errmsg("starting again, because "
						 "database or role are not read-only any more")));
	proc_exit(1);
}

/* Waits for the next try of a batch, or for more messages, if there is room. */
static void
wait_for_retry(CdrWorker *worker, bool is_full)
{
	long timeout = Min(cdr_milliseconds_until(worker->wake_at),
					   cdr_worker_held_due(worker));

	if (is_full)
		cdr_broker_linger(worker->broker, Min(timeout, FULL_STEP));
	else
		cdr_broker_wait(worker->broker, Min(timeout, cdr_heartbeat * 500L));
}

/* Keeps the session alive while a batch waits for its next try. */
static void
retry_batch(CdrWorker *worker)
{
	CdrReceive received = receive_messages(worker, INT_MAX, HELD_BYTES_MAX);
	bool	   is_full = worker->unacked.bytes >= HELD_BYTES_MAX;

	if (!is_full)
		worker->full_since = 0;
	if (received == CDR_BROKER_LOST)
		cdr_worker_back_off(worker);
	else if (is_full && is_full_for_long(worker) &&
			 !cdr_halving_goes_on(&worker->halving))
		/* the broker has more room */
		cdr_worker_give_back(
			worker, &worker->unacked.messages[worker->unacked.acknowledged]);
	else if (cdr_milliseconds_until(worker->wake_at) <= 0)
	{
		end_if_outdated(worker);
		cdr_worker_store(worker);
	}
	else if (!cdr_worker_store_held(worker))
		wait_for_retry(worker, is_full);
}

/* With all given back to the broker: consumes again once that is of use. */
static void
wait_to_store(CdrWorker *worker)
{
	report_stats(worker);
	if (cdr_milliseconds_until(worker->wake_at) > 0)
	{
		cdr_broker_wait(worker->broker,
						cdr_milliseconds_until(worker->wake_at));
		return;
	}
	end_if_outdated(worker);
	if (cdr_given_back_is_over(worker))
		look_at_tables(worker);
}

/* Leaves broker and database; the next process of this worker waits. */
static void
pause_worker(CdrWorker *worker)
{
	cdr_worker_disconnect(worker);
	cdr_worker_enter(worker, CDR_PAUSED);
	ereport(LOG, (errcode(ERRCODE_SUCCESSFUL_COMPLETION), errmsg("paused")));
	proc_exit(1);
}

/* Whoever reloads wants to see now whether it helped: ends all waits. */
static void
try_now(CdrWorker *worker)
{
	worker->connect_at = 0;
	worker->wake_at = 0;
	cdr_held_begin_round(&worker->held);
	worker->maintain_at = 0;
	worker->alerts_at = 0;
	cdr_given_back_hurry(worker);
	cdr_late_hurry();
}

/* Applies a reload of the settings. */
static void
reload_settings(CdrWorker *worker)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	cdr_override_settings();
	(void) cdr_crashes_heed_resume();
	cdr_stuck_forget_all(worker);
	try_now(worker);

	if (cdr_is_paused())
		pause_worker(worker);
	if (worker->state == CDR_NOT_CONFIGURED)
		cdr_worker_enter_connecting(worker);
	else if (cdr_broker_settings_changed(worker->broker) &&
			 worker->state != CDR_WAITING_FOR_EXTENSION &&
			 worker->state != CDR_WAITING_FOR_TABLES &&
			 worker->state != CDR_WAITING_TO_STORE)
	{
		cdr_worker_disconnect(worker);
		cdr_worker_forget_failures(worker);
		cdr_worker_enter_connecting(worker);
	}
}

static void
take_step(CdrWorker *worker)
{
	switch (worker->state)
	{
		case CDR_WAITING_FOR_EXTENSION:
		case CDR_WAITING_FOR_TABLES:
			wait_for_tables(worker);
			break;
		case CDR_NOT_CONFIGURED:
			report_stats(worker);
			cdr_broker_wait(worker->broker, CDR_LONGEST_BACKOFF);
			break;
		case CDR_CONNECTING:
			connect_to_broker(worker);
			break;
		case CDR_CONSUMING:
			consume_messages(worker);
			break;
		case CDR_RETRYING:
			retry_batch(worker);
			break;
		case CDR_WAITING_TO_STORE:
			wait_to_store(worker);
			break;
		case CDR_BACKING_OFF:
			report_stats(worker);
			if (cdr_milliseconds_until(worker->wake_at) > 0)
				cdr_broker_wait(worker->broker,
								cdr_milliseconds_until(worker->wake_at));
			else
				look_at_tables(worker);
			break;
		case CDR_NOT_STARTED:
		case CDR_STARTING:
		case CDR_CRASHED:
		case CDR_PAUSED:
		case CDR_STORING:
		case CDR_STOPPED:
			elog(ERROR, "worker cannot stay in state \"%s\"",
				 cdr_stats_state_name(worker->state));
	}
}

void
cdr_worker_run(CdrWorker *worker)
{
	MemoryContext loop_context PG_USED_FOR_ASSERTS_ONLY = CurrentMemoryContext;

	look_at_tables(worker);
	for (;;)
	{
		Assert(CurrentMemoryContext == loop_context);
		CHECK_FOR_INTERRUPTS();
		/* with a backlog there is no wait that would notice */
		if (!PostmasterIsAlive())
			proc_exit(1);
		reload_settings(worker);
		cdr_crashes_heed_health();
		cdr_stats_set_alive();
		take_step(worker);
	}
}
