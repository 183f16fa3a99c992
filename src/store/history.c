/*-------------------------------------------------------------------------
 *
 * history.c
 *	  SQL: events as people would read them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/guc.h"
#include "event/json_show.h"
#include "event/protobuf_json.h"
#include "store/cursor.h"
#include "store/tables.h"

PG_FUNCTION_INFO_V1(cdr_event_json);

/*
 * NULL for what is no event, and for Protobuf larger than an event may be, so
 * that one such row does not end a query.
 */
Datum
cdr_event_json(PG_FUNCTION_ARGS)
{
	bytea		  *body;
	StringInfoData json;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	body = PG_GETARG_BYTEA_PP(0);
	initStringInfo(&json);
	if (cdr_json_show(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), &json))
		PG_RETURN_TEXT_P(cstring_to_text_with_len(json.data, json.len));
	if (VARSIZE_ANY_EXHDR(body) > (size_t) cdr_max_event_size)
		PG_RETURN_NULL();
	if (cdr_protobuf_json(
			VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body),
			PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
			&json) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(json.data, json.len));
}

/* clang-format off */

/* $1 is the call; each %1$s is the schema. */
#define CALL_HISTORY \
	"SELECT e.event_time, e.event_time - min(e.event_time) OVER ()," \
	" e.event_type," \
	" CASE e.event_type" \
	" WHEN 'call.started' THEN format('%%s calls %%s'," \
	" COALESCE(c.caller_number, 'somebody')," \
	" COALESCE(c.callee_number, 'somebody'))" \
	" WHEN 'call.answered' THEN 'answered'" \
	" WHEN 'call.ended' THEN" \
	" format('ended: %%s', COALESCE(said.reason, 'no cause given'))" \
	" WHEN 'call.recording.available' THEN" \
	" format('recording: %%s', COALESCE(said.recording, 'no place given'))" \
	" WHEN 'user.identified.for_call' THEN" \
	" format('user %%s identified', COALESCE(said.user_id, 'not'))" \
	" WHEN 'user.created.for_call' THEN" \
	" format('user %%s created', COALESCE(said.user_id, 'not')) END," \
	" e.received_at, shown.event" \
	" FROM %1$s.call_events AS e" \
	" LEFT JOIN ONLY %1$s.calls AS c ON c.call_id = e.call_id," \
	/* OFFSET 0: computed once, and not wherever it is named */ \
	/* the casts: else a domain, or varchar, of a column's could choose another \
	 * function of the name, which somebody planted in the schema */ \
	" LATERAL (SELECT %1$s.cdr_event_json(COALESCE(e.body::bytea," \
	" convert_to(e.payload::text, 'UTF8')), e.event_type::text) OFFSET 0)" \
	" AS shown(event)," \
	/* a GenericEvent says what it says in its payload_json */ \
	" LATERAL (SELECT CASE WHEN e.payload IS NULL" \
	" AND json_typeof(shown.event -> 'payloadJson') = 'object'" \
	" THEN shown.event -> 'payloadJson' ELSE shown.event END)" \
	" AS inner_event(event)," \
	/* an empty string says nothing */ \
	" LATERAL (SELECT NULLIF(inner_event.event ->> 'reason', '')," \
	" COALESCE(NULLIF(inner_event.event ->> 'recordingUri', '')," \
	" NULLIF(inner_event.event ->> 'uri', '')," \
	" NULLIF(inner_event.event ->> 'publicUrl', ''))," \
	" COALESCE(NULLIF(inner_event.event ->> 'userId', '')," \
	" NULLIF(inner_event.event -> 'user' ->> 'id', '')))" \
	" AS said(reason, recording, user_id)" \
	" WHERE e.call_id = $1 ORDER BY e.event_time, e.event_id"

/* clang-format on */

PG_FUNCTION_INFO_V1(cdr_call_history);

/*
 * With the rights of the caller, who may be a superuser: so it is first looked
 * whether the tables are tables, and not views that run somebody's code.
 */
Datum
cdr_call_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrArguments   call_id = {1, true, {TEXTOID}, {PG_GETARG_DATUM(0)}};
	int			   guc_level;
	CdrTables	   tables;

	InitMaterializedSRF(fcinfo, 0);
	cdr_tables_require(&tables, AccessShareLock);
	guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	cdr_cursor_return(info, psprintf(CALL_HISTORY, tables.quoted), &call_id);
	SPI_finish();
	AtEOXact_GUC(false, guc_level);
	return (Datum) 0;
}
