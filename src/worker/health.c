/*-------------------------------------------------------------------------
 *
 * health.c
 *	  SQL: whether all is well, one row for each thing that can be told.
 *
 * Only what is certain is a warning: a night without calls is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/library.h"
#include "base/refused.h"
#include "store/tables.h"
#include "worker/health_tables.h"

/* Milliseconds of trouble that are a warning, and that are critical. */
#define WARNING_AFTER  (60 * 1000)
#define CRITICAL_AFTER (5 * 60 * 1000)

/* Milliseconds for which a backlog may stay. */
#define BACKLOG_AFTER (10 * 60 * 1000)

/* ------------------------------------------------------------------------
 * The workers
 * ------------------------------------------------------------------------
 */

/* Is it the way to the broker that a worker in this state is not through? */
static bool
is_about_broker(CdrWorkerState state)
{
	return state == CDR_NOT_CONFIGURED || state == CDR_CONNECTING ||
		   state == CDR_BACKING_OFF;
}

/*
 * How bad is the state of a worker?  While it consumes again, but has not
 * proved yet that it can, its trouble grows no longer.
 */
static CdrHealthLevel
rate_worker(const CdrHealth *health, const CdrWorkerStats *worker)
{
	TimestampTz since = cdr_stats_unhealthy_since(worker);
	TimestampTz until =
		worker->state == CDR_CONSUMING ? worker->since : health->now;

	if (worker->state == CDR_CRASHED)
		return CDR_HEALTH_CRITICAL;
	if (since == 0)
		return CDR_HEALTH_OK;
	if (TimestampDifferenceExceeds(since, until, CRITICAL_AFTER))
		return CDR_HEALTH_CRITICAL;
	return TimestampDifferenceExceeds(since, until, WARNING_AFTER)
			   ? CDR_HEALTH_WARNING
			   : CDR_HEALTH_OK;
}

/* Says of each worker in trouble, of one kind or the other, what it is. */
static CdrHealthLevel
describe_trouble(const CdrHealth *health, bool about_broker, StringInfo detail)
{
	CdrHealthLevel worst = CDR_HEALTH_OK;

	for (int i = 0; i < cdr_workers; i++)
	{
		const CdrWorkerStats *worker = &health->workers[i];
		CdrHealthLevel		  level = rate_worker(health, worker);

		if (level == CDR_HEALTH_OK ||
			is_about_broker(worker->state) != about_broker)
			continue;
		worst = Max(worst, level);
		appendStringInfo(detail,
						 "%sworker %d is not healthy since %s, and now %s",
						 detail->len > 0 ? "; " : "", i,
						 timestamptz_to_str(cdr_stats_unhealthy_since(worker)),
						 cdr_stats_state_name(worker->state));
		if (worker->last_error[0] != '\0')
			appendStringInfo(detail, " (last error: %s)", worker->last_error);
	}
	return worst;
}

/* Says of each worker that stands still, and cannot say so itself, for how long. */
static CdrHealthLevel
describe_silence(const CdrHealth *health, StringInfo detail)
{
	CdrHealthLevel worst = CDR_HEALTH_OK;

	for (int i = 0; i < cdr_workers; i++)
	{
		long silent = cdr_stats_silent_for(&health->workers[i]);

		if (silent == 0)
			continue;
		worst = CDR_HEALTH_CRITICAL;
		appendStringInfo(detail,
						 "%sworker %d has given no sign of life for %ld s",
						 detail->len > 0 ? "; " : "", i, silent / 1000);
	}
	return worst;
}

static void
check_workers(CdrHealth *health)
{
	StringInfoData detail;
	CdrHealthLevel level;
	CdrHealthLevel silence;

	initStringInfo(&detail);
	if (RecoveryInProgress())
	{
		cdr_health_put(health, "workers", CDR_HEALTH_OK,
					   "standby: they start at its promotion", NULL);
		return;
	}
	level = describe_trouble(health, false, &detail);
	silence = describe_silence(health, &detail);
	level = Max(level, silence);
	if (level == CDR_HEALTH_OK)
		appendStringInfo(&detail, "%d running", cdr_workers);
	cdr_health_put(
		health, "workers", level, detail.data,
		level == CDR_HEALTH_OK
			? NULL
			: "Look at cdr_status(), and in the server's log; for one "
			  "that is storing, or gives no sign of life, at "
			  "wait_event in pg_stat_activity.");
}

static void
check_broker(CdrHealth *health)
{
	const CdrWorkerStats *worker = &health->workers[0];
	StringInfoData		  detail;
	CdrHealthLevel		  level;

	initStringInfo(&detail);
	level = describe_trouble(health, true, &detail);
	if (level == CDR_HEALTH_OK)
	{
		if (worker->connected_at != 0)
			appendStringInfo(&detail,
							 "connected to %s, virtual host \"%s\", as \"%s\"",
							 worker->host, worker->vhost, worker->user);
		else
			appendStringInfoString(&detail, "not connected");
	}
	cdr_health_put(
		health, "broker", level, detail.data,
		level == CDR_HEALTH_OK
			? NULL
			: "Once the cause is gone, pg_reload_conf() has the workers "
			  "try at once.");
}

static void
check_pause(CdrHealth *health)
{
	for (int i = 0; i < cdr_workers; i++)
	{
		if (health->workers[i].state != CDR_PAUSED)
			continue;
		cdr_health_put(health, "pause", CDR_HEALTH_WARNING,
					   psprintf("paused since %s",
								timestamptz_to_str(health->workers[i].since)),
					   "Run cdr_resume().  If that does not end it, look for "
					   "mistakes in pg_file_settings.");
		return;
	}
	cdr_health_put(health, "pause", CDR_HEALTH_OK, "not paused", NULL);
}

/* ------------------------------------------------------------------------
 * The queue
 * ------------------------------------------------------------------------
 */

static void
check_queue(CdrHealth *health)
{
	for (int i = 0; i < cdr_workers; i++)
	{
		if (health->workers[i].warning[0] == '\0')
			continue;
		cdr_health_put(health, "queue", CDR_HEALTH_WARNING,
					   health->workers[i].warning,
					   "Look it up in doc/queues.md, which says what to do.");
		return;
	}
	cdr_health_put(health, "queue", CDR_HEALTH_OK, "no warning", NULL);
}

/* As the workers have found out (broker/consumers.c). */
static void
check_consumers(CdrHealth *health)
{
	int64 others = 0;

	for (int i = 0; i < cdr_workers; i++)
		others = Max(others, health->workers[i].others);
	if (others > 0)
		cdr_health_put(
			health, "consumers", CDR_HEALTH_WARNING,
			psprintf("consumers that are no workers of this server: %lld",
					 (long long) others),
			"They take events away from this server: end them, or give "
			"them a queue of their own.");
	else
		cdr_health_put(health, "consumers", CDR_HEALTH_OK,
					   "no others than the workers", NULL);
}

static void
check_backlog(CdrHealth *health)
{
	const CdrWorkerStats *worst = NULL;
	int64				  backlog = -1;

	for (int i = 0; i < cdr_workers; i++)
	{
		const CdrWorkerStats *worker = &health->workers[i];

		backlog = Max(backlog, worker->backlog);
		if (worker->backlog > 0 && worker->backlog_since != 0 &&
			TimestampDifferenceExceeds(worker->backlog_since, health->now,
									   BACKLOG_AFTER))
			worst = worker;
	}
	if (worst != NULL)
		cdr_health_put(
			health, "backlog", CDR_HEALTH_WARNING,
			psprintf("%lld messages wait on the queue, and never fewer than "
					 "%d since %s",
					 (long long) worst->backlog, cdr_prefetch,
					 timestamptz_to_str(worst->backlog_since)),
			"If their number grows, the service is slower than the producers: "
			"doc/performance.md has a sizing guide.");
	else if (backlog < 0)
		cdr_health_put(health, "backlog", CDR_HEALTH_OK, "not known", NULL);
	else
		cdr_health_put(
			health, "backlog", CDR_HEALTH_OK,
			psprintf("%lld messages wait on the queue", (long long) backlog),
			NULL);
}

/* ------------------------------------------------------------------------
 * The events
 * ------------------------------------------------------------------------
 */

#define NOTHING_STORED_HINT                                            \
	"Remove what keeps them from being stored: until then all events " \
	"wait on the queue."

static void
check_waiting(CdrHealth *health)
{
	int64		waiting = 0;
	bool		keep_others_out = false;
	const char *error = "";
	char	   *detail;

	for (int i = 0; i < cdr_workers; i++)
	{
		const CdrWorkerStats *worker = &health->workers[i];

		if (worker->state == CDR_WAITING_TO_STORE)
		{
			cdr_health_put(
				health, "waiting", CDR_HEALTH_CRITICAL,
				psprintf("no other events get in; worker %d has given "
						 "all back to the broker, for nothing can be "
						 "stored: %s",
						 i, worker->last_error),
				NOTHING_STORED_HINT);
			return;
		}
		if (worker->waiting > 0)
			error = worker->last_error;
		waiting += worker->waiting;
		keep_others_out = keep_others_out || worker->keep_others_out;
	}
	if (waiting == 0)
	{
		cdr_health_put(health, "waiting", CDR_HEALTH_OK, "none", NULL);
		return;
	}
	detail = psprintf(
		ngettext("%lld event is held, because it alone cannot be stored: %s",
				 "%lld events are held, because they alone cannot be stored: "
				 "%s",
				 waiting),
		(long long) waiting, error);
	if (keep_others_out)
		cdr_health_put(health, "waiting", CDR_HEALTH_CRITICAL,
					   psprintf("no other events get in; %s", detail),
					   NOTHING_STORED_HINT);
	else
		cdr_health_put(
			health, "waiting", CDR_HEALTH_WARNING, detail,
			"They are tried again until they are stored; where they "
			"fill half of the prefetch, or are delivered often, the "
			"oldest become dead letters, but not while the server lacks "
			"disk space or memory for them.");
}

/* A worker that stores few events at a time, because each takes long. */
static void
check_statements(CdrHealth *health)
{
	StringInfoData detail;

	initStringInfo(&detail);
	for (int i = 0; i < cdr_workers; i++)
	{
		const CdrWorkerStats *worker = &health->workers[i];

		if (!worker->slow)
			continue;
		appendStringInfo(&detail, "%sworker %d stores %d at a time, ",
						 detail.len > 0 ? "; " : "", i, worker->slow_together);
		if (worker->slow_each > 0)
			appendStringInfo(&detail, "for an event takes %.1f seconds",
							 worker->slow_each / 1000.0);
		else
			appendStringInfoString(
				&detail, "for each that was tried took longer than it may");
	}
	if (detail.len > 0)
		cdr_health_put(health, "statements", CDR_HEALTH_WARNING, detail.data,
					   CDR_SLOW_HINT);
	else
		cdr_health_put(health, "statements", CDR_HEALTH_OK,
					   "they are not slow", NULL);
}

/* A counter of events that lack something since the counters were reset. */
static void
check_counter(CdrHealth *health, const char *check, int64 count,
			  const char *what, const char *hint)
{
	if (count > 0)
		cdr_health_put(
			health, check, CDR_HEALTH_WARNING,
			psprintf("%lld since %s %s", (long long) count,
					 timestamptz_to_str(health->workers[0].stats_reset), what),
			hint);
	else
		cdr_health_put(health, check, CDR_HEALTH_OK, "none", NULL);
}

static void
check_counters(CdrHealth *health)
{
	int64 without_call = 0;
	int64 without_time = 0;
	int64 unmapped = 0;

	for (int i = 0; i < cdr_workers; i++)
	{
		without_call += health->workers[i].without_call;
		without_time += health->workers[i].without_time;
		unmapped += health->workers[i].unmapped;
	}
	check_counter(health, "without_call", without_call,
				  "have a type that shapes calls, but no call id",
				  "Look for call_id = '' in call_events. cdr_stats_reset() "
				  "begins to count anew.");
	check_counter(health, "without_time", without_time,
				  "have no time of their own, or one that cannot be read",
				  "Look for time_source 'r' and 'p' in call_events: the "
				  "time of receipt, and that of the AMQP property. "
				  "cdr_stats_reset() begins to count anew.");
	check_counter(health, "unmapped", unmapped,
				  "were read by a mapping that found no call id in them",
				  "cdr_unmapped_types() says which. cdr_stats_reset() begins "
				  "to count anew.");
}

/* ------------------------------------------------------------------------
 * The server
 * ------------------------------------------------------------------------
 */

/* Tells where library and SQL are of different versions; false: they are not. */
static bool
check_versions(CdrHealth *health)
{
	CdrTables tables;

	if (!cdr_tables_find(&tables) || strcmp(tables.version, CDR_VERSION) == 0)
		return false;
	cdr_health_put(
		health, "library", CDR_HEALTH_WARNING,
		psprintf("the library has version %s, and the extension %s",
				 CDR_VERSION, tables.version),
		cdr_version_number(tables.version) < cdr_version_number(CDR_VERSION)
			? "Run ALTER EXTENSION cdr_service UPDATE in this database."
			: "Install the library of that version, if it is not, and restart "
			  "the server.");
	return true;
}

static void
check_library(CdrHealth *health)
{
	const char	  *path;
	CdrLibraryFile file = cdr_library_file(&path);

	if (health->workers == NULL)
		cdr_health_put(
			health, "library", CDR_HEALTH_CRITICAL,
			"cdr_service is not preloaded: no worker consumes events",
			"Add cdr_service to shared_preload_libraries in "
			"postgresql.conf and restart the server.");
	else if (file == CDR_LIBRARY_GONE)
		cdr_health_put(
			health, "library", CDR_HEALTH_CRITICAL,
			psprintf("%s is gone: the server goes on, but would not start "
					 "again",
					 path),
			"Install it again, or take cdr_service out of "
			"shared_preload_libraries before the server is restarted.");
	else if (file == CDR_LIBRARY_REPLACED)
		cdr_health_put(
			health, "library", CDR_HEALTH_WARNING,
			psprintf("%s is another since the server has started, which goes "
					 "on with the one that it has loaded, of version %s",
					 path, CDR_VERSION),
			"Restart the server.");
	else if (!check_versions(health))
		cdr_health_put(health, "library", CDR_HEALTH_OK,
					   "version " CDR_VERSION, NULL);
}

static void
check_settings(CdrHealth *health)
{
	const char *at_start = cdr_refused_at_start();
	const char *in_files = cdr_refused_in_files();

	if (at_start != NULL)
		cdr_health_put(health, "settings", CDR_HEALTH_CRITICAL,
					   psprintf("the value of %s was refused when the server "
								"started",
								at_start),
					   "Look at pg_file_settings, correct it, and reload, or "
					   "restart the server: until then the workers do not "
					   "consume.");
	else if (in_files != NULL)
		cdr_health_put(
			health, "settings", CDR_HEALTH_WARNING,
			psprintf("refused: %s", in_files),
			"Look at pg_file_settings, and correct them: until then "
			"a reload changes nothing of these.");
	else
		cdr_health_put(health, "settings", CDR_HEALTH_OK, "none is refused",
					   NULL);
}

static void
check_database(CdrHealth *health)
{
	const char *here = get_database_name(MyDatabaseId);

	if (strcmp(here, cdr_database) == 0)
		cdr_health_put(health, "database", CDR_HEALTH_OK, here, NULL);
	else if (!OidIsValid(get_database_oid(cdr_database, true)))
		cdr_health_put(
			health, "database", CDR_HEALTH_CRITICAL,
			psprintf(
				"there is no database \"%s\" for the workers, and nothing "
				"is consumed",
				cdr_database),
			"Create it, in UTF8, and the extension in it; or name another in "
			"cdr_service.database, and restart the server.");
	else
		cdr_health_put(
			health, "database", CDR_HEALTH_WARNING,
			psprintf("the workers are in database \"%s\", and not in \"%s\"",
					 cdr_database, here),
			"Ask there; or name this database in cdr_service.database, and "
			"restart the server.");
}

static void
check_durability(CdrHealth *health)
{
	if (enableFsync && fullPageWrites)
		cdr_health_put(health, "durability", CDR_HEALTH_OK,
					   "what is acknowledged is on disk", NULL);
	else
		cdr_health_put(
			health, "durability", CDR_HEALTH_WARNING,
			psprintf("%s is off: a loss of power may lose events that "
					 "were acknowledged",
					 enableFsync ? "full_page_writes" : "fsync"),
			"Set it to on, and reload.");
}

PG_FUNCTION_INFO_V1(cdr_check_health);

Datum
cdr_check_health(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrHealth	   health = {.info = info, .now = GetCurrentTimestamp()};

	InitMaterializedSRF(fcinfo, 0);
	if (info->setDesc->natts != CDR_HEALTH_COLUMNS)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cdr_check_health() is declared with other "
							   "columns than its library has")));
	if (cdr_stats_available())
	{
		health.workers = palloc(cdr_workers * sizeof(CdrWorkerStats));
		for (int i = 0; i < cdr_workers; i++)
			cdr_stats_read(i, &health.workers[i]);
	}
	check_library(&health);
	if (health.workers != NULL)
	{
		check_settings(&health);
		check_database(&health);
		check_workers(&health);
		check_broker(&health);
		check_pause(&health);
		check_queue(&health);
		check_consumers(&health);
		check_backlog(&health);
		check_waiting(&health);
		check_statements(&health);
		check_counters(&health);
	}
	cdr_health_check_tables(&health);
	cdr_health_check_mappings(&health);
	cdr_health_check_retention(&health);
	check_durability(&health);
	return (Datum) 0;
}
