/*-------------------------------------------------------------------------
 *
 * status.c
 *	  SQL: what the workers do and have done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "worker/stats.h"

/* Those of cdr_status(), in status.sql. */
#define STATUS_COLUMNS 30

/* One row of cdr_status() while its columns are filled in. */
typedef struct StatusRow
{
	Datum values[STATUS_COLUMNS];
	bool  nulls[STATUS_COLUMNS];
	int	  count;
} StatusRow;

static void
status_put(StatusRow *row, Datum value, bool isnull)
{
	Assert(row->count < STATUS_COLUMNS);
	row->values[row->count] = value;
	row->nulls[row->count++] = isnull;
}

static void
status_put_text(StatusRow *row, const char *text)
{
	status_put(row, CStringGetTextDatum(text), text[0] == '\0');
}

static void
status_put_time(StatusRow *row, TimestampTz time)
{
	status_put(row, TimestampTzGetDatum(time), time == 0);
}

/* A number of things; less than 0: not known */
static void
status_put_known(StatusRow *row, int64 number)
{
	status_put(row, Int64GetDatum(number), number < 0);
}

/* The state of a worker; of one that never ran, why that is. */
static const char *
describe_state(CdrWorkerStats *stats)
{
	if (stats->state != CDR_NOT_STARTED)
		return cdr_stats_state_name(stats->state);
	if (RecoveryInProgress())
		return "standby";
	if (IsBinaryUpgrade)
		return "binary upgrade";
	strlcpy(stats->last_error,
			"worker was not started; is max_worker_processes large enough?",
			sizeof(stats->last_error));
	stats->last_error_code = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
	stats->last_error_time = stats->since;
	return cdr_stats_state_name(stats->state);
}

static void
fill_status(StatusRow *row, int worker)
{
	CdrWorkerStats stats;
	const char	  *state;
	bool		   idle;

	cdr_stats_read(worker, &stats);
	state = describe_state(&stats);
	idle = stats.last_event_time == 0;

	status_put(row, Int32GetDatum(worker), false);
	status_put_text(row, state);
	status_put(row, Int32GetDatum(stats.pid), stats.pid == 0);
	status_put_time(row, stats.since);
	status_put_time(row, cdr_stats_unhealthy_since(&stats));
	status_put_text(row, cdr_database);
	status_put_text(row, stats.host);
	status_put_text(row, stats.vhost);
	status_put_text(row, stats.user);
	status_put_text(row, stats.queue);
	status_put_known(row, stats.backlog);
	status_put_known(row, stats.consumers);
	status_put(row, Int64GetDatum(stats.waiting), false);
	status_put(row, Int64GetDatum(stats.received), false);
	status_put(row, Int64GetDatum(stats.recorded), false);
	status_put(row, Int64GetDatum(stats.without_call), false);
	status_put(row, Int64GetDatum(stats.without_time), false);
	status_put(row, Int64GetDatum(stats.unmapped), false);
	status_put(row, Int64GetDatum(stats.duplicates), false);
	status_put(row, Int64GetDatum(stats.dead_letters), false);
	status_put(row, Int64GetDatum(stats.batches), false);
	status_put_time(row, stats.last_event_time);
	status_put_time(row, stats.last_commit_time);
	status_put(
		row,
		idle ? (Datum) 0
			 : DirectFunctionCall2(timestamp_mi,
								   TimestampTzGetDatum(stats.last_commit_time),
								   TimestampTzGetDatum(stats.last_event_time)),
		idle);
	status_put(row, Int64GetDatum(Max(stats.connects - 1, 0)), false);
	status_put_text(row, stats.last_error);
	status_put_text(row, stats.last_error_code == 0
							 ? ""
							 : cdr_sqlstate_text(stats.last_error_code));
	status_put_time(row, stats.last_error_time);
	status_put_time(row, stats.stats_reset);
	status_put_text(row, stats.warning);
}

PG_FUNCTION_INFO_V1(cdr_status);

Datum
cdr_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;

	cdr_stats_require();
	InitMaterializedSRF(fcinfo, 0);
	/* the script may be that of another version */
	if (info->setDesc->natts != STATUS_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cdr_status() is declared with %d columns, and its "
						"library has %d",
						info->setDesc->natts, STATUS_COLUMNS),
				 errhint("Run ALTER EXTENSION cdr_service UPDATE.")));
	for (int i = 0; i < cdr_workers; i++)
	{
		StatusRow row = {0};

		fill_status(&row, i);
		Assert(row.count == STATUS_COLUMNS);
		tuplestore_putvalues(info->setResult, info->setDesc, row.values,
							 row.nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(cdr_stats_reset);

Datum
cdr_stats_reset(PG_FUNCTION_ARGS)
{
	cdr_stats_require();
	cdr_stats_reset_all();
	PG_RETURN_VOID();
}
