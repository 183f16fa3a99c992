/*-------------------------------------------------------------------------
 *
 * sqlfuncs.c
 *	  The functions that SQL calls: arguments in, results out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/guc.h"
#include "call/merge.h"
#include "event/event.h"
#include "store/catalog.h"
#include "store/partition.h"
#include "store/store.h"
#include "worker/stats.h"

/* Far more than anybody means to make at once. */
#define PARTITIONS_MAX 1000

/* ------------------------------------------------------------------------
 * Values that follow from others
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(cdr_disposition);

Datum
cdr_disposition(PG_FUNCTION_ARGS)
{
	bool  answered = !PG_ARGISNULL(0) && PG_GETARG_BOOL(0);
	char *cause =
		PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TEXT_P(cstring_to_text(cdr_call_disposition(answered, cause)));
}

PG_FUNCTION_INFO_V1(cdr_seconds_between);

Datum
cdr_seconds_between(PG_FUNCTION_ARGS)
{
	TimestampTz earlier = PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz later = PG_GETARG_TIMESTAMPTZ(1);
	int64		difference;

	if (later <= earlier)
		PG_RETURN_INT64(0);
	if (pg_sub_s64_overflow(later, earlier, &difference))
		difference = PG_INT64_MAX;
	PG_RETURN_INT64(difference / USECS_PER_SEC);
}

/* ------------------------------------------------------------------------
 * Ingest
 * ------------------------------------------------------------------------
 */

static CdrEventOptions
event_options(void)
{
	return (CdrEventOptions){.max_event_size = cdr_max_event_size,
							 .extension_digits = cdr_extension_digits};
}

/* What a caller can do about an event that was not understood. */
static const char *
hint_for(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		return "Raise cdr_service.max_event_size if events of that size are "
			   "meant to be recorded.";
	if (sqlerrcode == ERRCODE_STRING_DATA_RIGHT_TRUNCATION)
		return "A call id is a SIP Call-ID of at most 255 bytes.";
	return "An event is a JSON object such as {\"eventType\": "
		   "\"call.answered\", \"callId\": \"...\", \"timestamp\": "
		   "\"2026-01-19T22:00:03Z\"}, without \\u0000.";
}

/* Parses the text of a json value; throws if it is no event. */
static void
parse_json(text *json, CdrEvent *event)
{
	CdrEventOptions options = event_options();
	CdrMessage	   *message = palloc0(sizeof(CdrMessage));

	message->body = VARDATA_ANY(json);
	message->body_length = VARSIZE_ANY_EXHDR(json);
	message->body_size = message->body_length;
	message->property_time = CDR_NO_TIME;
	message->received_at = GetCurrentTimestamp();
	if (!cdr_event_parse(message, &options, event))
		ereport(ERROR, (errcode(event->reason->sqlerrcode),
						errmsg("%s", event->reason->message),
						errhint("%s", hint_for(event->reason->sqlerrcode))));
}

PG_FUNCTION_INFO_V1(cdr_ingest_event);

Datum
cdr_ingest_event(PG_FUNCTION_ARGS)
{
	CdrEvent	   event;
	CdrStoreResult result;

	parse_json(PG_GETARG_TEXT_PP(0), &event);
	cdr_store_events(&event, 1, &result);
	PG_RETURN_BOOL(result.recorded == 1);
}

PG_FUNCTION_INFO_V1(cdr_ingest_events);

Datum
cdr_ingest_events(PG_FUNCTION_ARGS)
{
	Datum		  *elements;
	bool		  *nulls;
	int			   count;
	CdrEvent	  *events;
	CdrStoreResult result;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), JSONOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		PG_RETURN_INT64(0);
	events =
		MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(CdrEvent));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("event %d of the array is null", i + 1)));
		parse_json(DatumGetTextPP(elements[i]), &events[i]);
	}
	cdr_store_events(events, count, &result);
	PG_RETURN_INT64(result.recorded);
}

PG_FUNCTION_INFO_V1(cdr_retry_dead_letters);

Datum
cdr_retry_dead_letters(PG_FUNCTION_ARGS)
{
	CdrEventOptions options = event_options();
	ArrayType	   *ids = PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0);

	PG_RETURN_INT64(cdr_store_retry_dead_letters(ids, &options));
}

/* ------------------------------------------------------------------------
 * Operation
 * ------------------------------------------------------------------------
 */

static void
require_preload(void)
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

/* One row of cdr_status() while its columns are filled in. */
typedef struct StatusRow
{
	Datum values[20];
	bool  nulls[20];
	int	  count;
} StatusRow;

static void
put(StatusRow *row, Datum value, bool isnull)
{
	row->values[row->count] = value;
	row->nulls[row->count++] = isnull;
}

static void
put_text(StatusRow *row, const char *text)
{
	put(row, CStringGetTextDatum(text), text[0] == '\0');
}

static void
put_time(StatusRow *row, TimestampTz time)
{
	put(row, TimestampTzGetDatum(time), time == 0);
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
	strlcpy(stats->last_error_sqlstate, "53400",
			sizeof(stats->last_error_sqlstate));
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

	put(row, Int32GetDatum(worker), false);
	put_text(row, state);
	put(row, Int32GetDatum(stats.pid), stats.pid == 0);
	put_time(row, stats.since);
	put_text(row, stats.host);
	put_text(row, stats.queue);
	put(row, Int64GetDatum(stats.received), false);
	put(row, Int64GetDatum(stats.recorded), false);
	put(row, Int64GetDatum(stats.duplicates), false);
	put(row, Int64GetDatum(stats.dead_letters), false);
	put(row, Int64GetDatum(stats.batches), false);
	put_time(row, stats.last_event_time);
	put_time(row, stats.last_commit_time);
	put(row,
		idle ? (Datum) 0
			 : DirectFunctionCall2(timestamp_mi,
								   TimestampTzGetDatum(stats.last_commit_time),
								   TimestampTzGetDatum(stats.last_event_time)),
		idle);
	put(row, Int64GetDatum(Max(stats.connects - 1, 0)), false);
	put_text(row, stats.last_error);
	put_text(row, stats.last_error_sqlstate);
	put_time(row, stats.last_error_time);
	put_time(row, stats.stats_reset);
	put_text(row, stats.warning);
}

PG_FUNCTION_INFO_V1(cdr_status);

Datum
cdr_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;

	require_preload();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < cdr_workers; i++)
	{
		StatusRow row = {0};

		fill_status(&row, i);
		Assert(row.count == info->setDesc->natts);
		tuplestore_putvalues(info->setResult, info->setDesc, row.values,
							 row.nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(cdr_stats_reset);

Datum
cdr_stats_reset(PG_FUNCTION_ARGS)
{
	require_preload();
	cdr_stats_reset_all();
	PG_RETURN_VOID();
}

/*
 * Sets cdr_service.paused as ALTER SYSTEM would, and has it applied.  So it is
 * there for workers that start, for a server that restarts, and for whoever
 * looks into pg_settings; a rollback does not undo it.
 */
static void
set_paused(const char *value)
{
	AlterSystemStmt *statement = makeNode(AlterSystemStmt);
	A_Const			*constant = makeNode(A_Const);

	require_preload();
	constant->val.sval.type = T_String;
	constant->val.sval.sval = pstrdup(value);
	constant->location = -1;
	statement->setstmt = makeNode(VariableSetStmt);
	statement->setstmt->kind = VAR_SET_VALUE;
	statement->setstmt->name = "cdr_service.paused";
	statement->setstmt->args = list_make1(constant);
	AlterSystemSetConfigFile(statement);
	if (kill(PostmasterPid, SIGHUP) != 0)
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR),
						errmsg("could not signal the postmaster: %m")));
}

PG_FUNCTION_INFO_V1(cdr_pause);

Datum
cdr_pause(PG_FUNCTION_ARGS)
{
	set_paused("on");
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(cdr_resume);

Datum
cdr_resume(PG_FUNCTION_ARGS)
{
	set_paused("off");
	PG_RETURN_VOID();
}

/* Throws unless the partitions between two times are worth making. */
static void
check_stretch(TimestampTz from, TimestampTz to)
{
	static const int days[] = {[CDR_PARTITION_DAY] = 1,
							   [CDR_PARTITION_WEEK] = 7,
							   [CDR_PARTITION_MONTH] = 28};

	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to) || from > to)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("from_time and to_time must be finite, and in order")));
	if (to / USECS_PER_DAY - from / USECS_PER_DAY >
		(int64) PARTITIONS_MAX * days[cdr_partition_interval])
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("that is more than %d partitions", PARTITIONS_MAX),
				 errhint("Name a shorter stretch of time, or set "
						 "cdr_service.partition_interval to a longer "
						 "interval.")));
}

/* The tables, which must be there. */
static void
find_tables(CdrTables *tables)
{
	if (!cdr_catalog_find(tables))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the tables of extension \"%s\" are missing",
							   CDR_EXTENSION_NAME)));
}

PG_FUNCTION_INFO_V1(cdr_create_partitions);

Datum
cdr_create_partitions(PG_FUNCTION_ARGS)
{
	TimestampTz from = PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz to = PG_GETARG_TIMESTAMPTZ(1);
	CdrTables	tables;

	check_stretch(from, to);
	find_tables(&tables);
	PG_RETURN_INT32(cdr_partition_create(&tables, from, to));
}

/* ------------------------------------------------------------------------
 * Calls, computed from the log
 * ------------------------------------------------------------------------
 */

#define LOG_CHUNK 1000

/* Columns of the query that reads the log. */
enum
{
	LOG_CALL_ID = 1,
	LOG_EVENT_TIME,
	LOG_EVENT_ID,
	LOG_ROUTING_KEY,
	LOG_PAYLOAD
};

static Datum
log_value(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

/*
 * The event that a row of the log records.  What identifies and places it is
 * taken from the row; what it says, from its payload.
 */
static CdrEvent *
event_from_log(int row, const char *call_id)
{
	CdrEventOptions options = event_options();
	CdrMessage	   *message = palloc0(sizeof(CdrMessage));
	CdrEvent	   *event = palloc(sizeof(CdrEvent));
	pg_uuid_t	   *id = palloc(sizeof(pg_uuid_t));
	Datum			value;
	bool			isnull;

	*id = *DatumGetUUIDP(log_value(row, LOG_EVENT_ID, &isnull));
	message->id = id;
	message->property_time =
		DatumGetTimestampTz(log_value(row, LOG_EVENT_TIME, &isnull));
	value = log_value(row, LOG_ROUTING_KEY, &isnull);
	if (!isnull)
		message->routing_key = TextDatumGetCString(value);
	value = log_value(row, LOG_PAYLOAD, &isnull);
	message->body = isnull ? "" : TextDatumGetCString(value);
	message->body_length = strlen(message->body);
	message->body_size = message->body_length;

	/* it was small enough once */
	options.max_event_size = SIZE_MAX;
	if (!cdr_event_parse(message, &options, event))
		event->kind = CDR_OTHER;
	event->time = message->property_time;
	event->call_id = call_id;
	return event;
}

static void
set_text(Datum *values, bool *nulls, int *i, const char *text)
{
	nulls[*i] = text == NULL;
	if (text != NULL)
		values[*i] = CStringGetTextDatum(text);
	(*i)++;
}

static void
set_time(Datum *values, bool *nulls, int *i, TimestampTz time)
{
	nulls[*i] = time == CDR_NO_TIME;
	values[*i] = TimestampTzGetDatum(time);
	(*i)++;
}

static void
set_id(Datum *values, bool *nulls, int *i, const pg_uuid_t *id,
	   TimestampTz time)
{
	nulls[*i] = time == CDR_NO_TIME;
	values[*i] = UUIDPGetDatum(id);
	(*i)++;
}

/* A row of the result, in the order of cdr_calls_from_log()'s columns. */
static void
put_call(ReturnSetInfo *info, const CdrCall *call)
{
	Datum values[23];
	bool  nulls[23] = {false};
	int	  i = 0;

	set_text(values, nulls, &i, call->call_id);
	set_text(values, nulls, &i, call->direction);
	set_text(values, nulls, &i, call->caller_number);
	set_text(values, nulls, &i, call->callee_number);
	set_time(values, nulls, &i, call->start_time);
	set_time(values, nulls, &i, call->answer_time);
	set_time(values, nulls, &i, call->end_time);
	set_text(values, nulls, &i, call->hangup_cause);
	set_text(values, nulls, &i, call->hangup_source);
	set_text(values, nulls, &i, call->user_id);
	nulls[i] = !call->has_contact_id;
	values[i++] = Int64GetDatum(call->contact_id);
	set_text(values, nulls, &i, call->recording_url);
	values[i++] = Int64GetDatum(call->event_count);
	set_time(values, nulls, &i, call->first_event_time);
	set_time(values, nulls, &i, call->last_event_time);
	set_id(values, nulls, &i, &call->started_event_id, call->start_time);
	set_text(values, nulls, &i, call->started_tenant_id);
	set_id(values, nulls, &i, &call->ended_event_id, call->end_time);
	set_time(values, nulls, &i, call->identified_time);
	set_id(values, nulls, &i, &call->identified_event_id,
		   call->identified_time);
	set_text(values, nulls, &i, call->identified_tenant_id);
	set_time(values, nulls, &i, call->recording_time);
	set_id(values, nulls, &i, &call->recording_event_id, call->recording_time);
	Assert(i == info->setDesc->natts);
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* The log, call by call. */
static Portal
open_log(void)
{
	CdrTables tables;
	Portal	  portal;

	find_tables(&tables);
	portal = SPI_cursor_open_with_args(
		NULL,
		psprintf("SELECT call_id, event_time, event_id, routing_key, payload"
				 " FROM %s.call_events"
				 " WHERE call_id OPERATOR(pg_catalog.<>) ''"
				 " ORDER BY call_id",
				 tables.quoted),
		0, NULL, NULL, NULL, true, 0);
	if (portal == NULL)
		elog(ERROR, "could not open a cursor over call_events");
	return portal;
}

PG_FUNCTION_INFO_V1(cdr_calls_from_log);

/*
 * Each call's events are parsed into a context of their own, which is reset
 * when its row is out: memory is that of the largest call.
 */
Datum
cdr_calls_from_log(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext  call_context;
	Portal		   portal;
	CdrCall		   call;

	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	call_context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service call", ALLOCSET_DEFAULT_SIZES);
	cdr_call_init(&call, NULL);

	portal = open_log();
	for (SPI_cursor_fetch(portal, true, LOG_CHUNK); SPI_processed > 0;
		 SPI_cursor_fetch(portal, true, LOG_CHUNK))
	{
		for (int row = 0; row < (int) SPI_processed; row++)
		{
			bool		  isnull;
			MemoryContext outer = MemoryContextSwitchTo(call_context);
			char		 *call_id =
				TextDatumGetCString(log_value(row, LOG_CALL_ID, &isnull));

			if (call.call_id != NULL && strcmp(call.call_id, call_id) != 0)
			{
				put_call(info, &call);
				MemoryContextReset(call_context);
				call_id =
					TextDatumGetCString(log_value(row, LOG_CALL_ID, &isnull));
				cdr_call_init(&call, call_id);
			}
			else if (call.call_id == NULL)
				cdr_call_init(&call, call_id);
			cdr_call_add(&call, event_from_log(row, call_id));
			MemoryContextSwitchTo(outer);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	if (call.call_id != NULL)
		put_call(info, &call);
	SPI_cursor_close(portal);
	SPI_finish();
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * As the owner of the tables
 *
 * What SQL functions do for whoever may call them, they do with the owner's
 * rights: those of whoever installed the extension would be lent to triggers
 * and whatever else the owner hangs on the tables.
 * ------------------------------------------------------------------------
 */

/*
 * Runs a query, whose %s is the schema, with one argument or (InvalidOid)
 * none.  Leaves SPI connected, with the result.
 */
static void
open_query_as_owner(const char *query, Oid type, Datum argument,
					bool read_only, CdrRights *rights)
{
	CdrTables tables;
	int		  result;

	find_tables(&tables);
	cdr_catalog_assume_rights(&tables, tables.owner, rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute_with_args(psprintf(query, tables.quoted),
								   OidIsValid(type) ? 1 : 0, &type, &argument,
								   NULL, read_only, 0);
	if (result < 0)
		elog(ERROR, "query failed: %s", SPI_result_code_string(result));
}

static void
close_query_as_owner(const CdrRights *rights)
{
	SPI_finish();
	cdr_catalog_restore_rights(rights);
}

PG_FUNCTION_INFO_V1(cdr_discard_dead_letters);

Datum
cdr_discard_dead_letters(PG_FUNCTION_ARGS)
{
	CdrRights rights;
	int64	  discarded;

	open_query_as_owner("DELETE FROM %s.dead_letters"
						" WHERE event_id OPERATOR(pg_catalog.=) ANY ($1)",
						UUIDARRAYOID, PG_GETARG_DATUM(0), false, &rights);
	discarded = (int64) SPI_processed;
	close_query_as_owner(&rights);
	PG_RETURN_INT64(discarded);
}

PG_FUNCTION_INFO_V1(cdr_verify_calls);

Datum
cdr_verify_calls(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrRights	   rights;

	InitMaterializedSRF(fcinfo, 0);
	open_query_as_owner("SELECT * FROM %s.cdr_verify_calls_as_caller()",
						InvalidOid, (Datum) 0, true, &rights);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(info->setResult, SPI_tuptable->vals[row]);
	close_query_as_owner(&rights);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(cdr_rebuild_calls);

Datum
cdr_rebuild_calls(PG_FUNCTION_ARGS)
{
	CdrRights rights;
	bool	  isnull;
	int64	  rebuilt;

	open_query_as_owner("SELECT %s.cdr_rebuild_calls_as_caller($1)", BOOLOID,
						PG_GETARG_DATUM(0), false, &rights);
	rebuilt = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	close_query_as_owner(&rights);
	PG_RETURN_INT64(rebuilt);
}
