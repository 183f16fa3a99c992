/*-------------------------------------------------------------------------
 *
 * log_calls.c
 *	  SQL: calls computed from the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "call/merge.h"
#include "store/call_values.h"
#include "store/event_options.h"
#include "store/writer_query.h"
#include "store/tables.h"

/* Rows of the log that are fetched at a time. */
#define LOG_CHUNK 1000

/* Columns of the query that reads the log. */
enum
{
	LOG_CALL_ID = 1,
	LOG_EVENT_TIME,
	LOG_EVENT_ID,
	LOG_ROUTING_KEY,
	LOG_PAYLOAD,
	LOG_BODY,
	LOG_CONTENT_TYPE
};

static Datum
log_value(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

/*
 * The event that a row of the log records.  What identifies and places it is
 * taken from the row; what it says, from its payload, else from its body.
 */
static CdrEvent *
event_from_log(int row, const char *call_id)
{
	CdrEventOptions options = cdr_event_options();
	CdrMessage	   *message = palloc0(sizeof(CdrMessage));
	CdrEvent	   *event = palloc(sizeof(CdrEvent));
	pg_uuid_t	   *id = palloc(sizeof(pg_uuid_t));
	Datum			value;
	bool			isnull;
	bool			is_json;
	bool			is_event;

	*id = *DatumGetUUIDP(log_value(row, LOG_EVENT_ID, &isnull));
	message->id = id;
	message->property_time =
		DatumGetTimestampTz(log_value(row, LOG_EVENT_TIME, &isnull));
	value = log_value(row, LOG_ROUTING_KEY, &isnull);
	if (!isnull)
		message->routing_key = TextDatumGetCString(value);
	value = log_value(row, LOG_CONTENT_TYPE, &isnull);
	if (!isnull)
		message->content_type = TextDatumGetCString(value);
	value = log_value(row, LOG_PAYLOAD, &isnull);
	is_json = !isnull;
	if (!is_json)
		value = log_value(row, LOG_BODY, &isnull);
	if (!isnull)
	{
		bytea *body = DatumGetByteaPP(value);

		message->body = VARDATA_ANY(body);
		message->body_length = VARSIZE_ANY_EXHDR(body);
	}
	message->body_size = message->body_length;

	/* it was small enough once */
	options.max_event_size = SIZE_MAX;
	is_event = is_json ? cdr_event_parse_json(message, &options, event)
					   : cdr_event_parse(message, &options, event);
	if (!is_event)
		event->kind = CDR_OTHER;
	event->time = message->property_time;
	event->call_id = call_id;
	return event;
}

/* A row of the result. */
static void
return_call(ReturnSetInfo *info, const CdrCall *call)
{
	Datum values[CDR_CALL_NCOLUMNS];
	bool  nulls[CDR_CALL_NCOLUMNS];

	Assert(info->setDesc->natts == CDR_CALL_NCOLUMNS);
	cdr_call_values(call, values, nulls);
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* The log, call by call. */
static Portal
open_log(void)
{
	CdrTables tables;
	Portal	  portal;

	cdr_tables_require(&tables, AccessShareLock);
	portal = SPI_cursor_open_with_args(
		NULL,
		psprintf("SELECT call_id, event_time, event_id, routing_key,"
				 " payload, body, content_type"
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
				return_call(info, &call);
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
		return_call(info, &call);
	SPI_cursor_close(portal);
	SPI_finish();
	return (Datum) 0;
}
