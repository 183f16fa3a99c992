/*-------------------------------------------------------------------------
 *
 * merge_state.c
 *	  SQL: what the row of a call holds for the merge.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/result.h"
#include "store/made_event.h"
#include "store/reader_query.h"
#include "store/stored_calls.h"

#define READ_ROW CDR_READ_CALLS " WHERE c.call_id OPERATOR(pg_catalog.=) $1"

static const char *const register_names[CDR_NREGISTERS] = {
	[CDR_REG_STARTED] = "started",
	[CDR_REG_LAST_START] = "last start",
	[CDR_REG_RANG] = "rang",
	[CDR_REG_ANSWERED] = "answered",
	[CDR_REG_FIRST_END] = "first end",
	[CDR_REG_LAST_END] = "last end",
	[CDR_REG_BRANCH_END] = "branch end",
	[CDR_REG_IDENTIFIED] = "identified",
	[CDR_REG_RECORDED] = "recorded",
	[CDR_REG_CLOSED] = "closed",
};

static const char *const text_names[CDR_FACT_NTEXTS] = {
	[CDR_FACT_CALLER] = "caller_number",
	[CDR_FACT_CALLEE] = "callee_number",
	[CDR_FACT_DIRECTION] = "direction",
	[CDR_FACT_TRUNK] = "trunk",
	[CDR_FACT_TENANT] = "tenant_id",
	[CDR_FACT_USER] = "user_id",
	[CDR_FACT_CAUSE] = "hangup_cause",
	[CDR_FACT_SOURCE] = "hangup_source",
	[CDR_FACT_RECORDING] = "recording_url",
};

static void
append_name(StringInfo json, const char *name)
{
	if (json->data[json->len - 1] != '{')
		appendStringInfoString(json, ", ");
	appendStringInfo(json, "\"%s\": ", name);
}

/* What a fact says beside its time, as JSON. */
static Datum
says_of(const CdrFact *fact)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < CDR_FACT_NTEXTS; i++)
	{
		if (fact->texts[i] == NULL)
			continue;
		append_name(&json, text_names[i]);
		escape_json(&json, fact->texts[i]);
	}
	if (fact->has_contact_id)
	{
		append_name(&json, "contact_id");
		appendStringInfo(&json, INT64_FORMAT, fact->contact_id);
	}
	if (fact->sip_status != 0)
	{
		append_name(&json, "sip_status");
		appendStringInfo(&json, "%d", fact->sip_status);
	}
	appendStringInfoChar(&json, '}');
	return CStringGetTextDatum(json.data);
}

static void
return_register(ReturnSetInfo *info, const CdrCall *call, CdrRegister reg)
{
	const CdrFact *fact = &call->facts[reg];
	Datum		   values[] = {CStringGetTextDatum(register_names[reg]),
							   TimestampTzGetDatum(fact->time),
							   Int32GetDatum(fact->rank), UUIDPGetDatum(&fact->id),
							   says_of(fact)};
	bool		   nulls[] = {false, false, false, !cdr_register_keeps[reg].id,
							  !cdr_register_keeps[reg].id};

	CDR_PUT_ROW(info, values, nulls);
}

/* What a correction says of its column, as JSON; {}: it gives it back. */
static Datum
says_of_correction(CdrCorrectable column, const CdrSaid *said)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	if (said->kind != CDR_SAID_BY_EVENTS)
		append_name(&json, cdr_correctable[column].name);
	if (said->kind == CDR_SAID_NONE)
		appendStringInfoString(&json, "null");
	else if (said->kind == CDR_SAID_VALUE)
		cdr_said_append(&json, cdr_correctable[column].type, said);
	appendStringInfoChar(&json, '}');
	return CStringGetTextDatum(json.data);
}

static void
return_corrections(ReturnSetInfo *info, const CdrCorrections *corrections)
{
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
	{
		const CdrCorrection *correction = &corrections->columns[i];
		Datum				 values[] = {CStringGetTextDatum(psprintf(
											 "correction of %s", cdr_correctable[i].name)),
										 TimestampTzGetDatum(correction->time), (Datum) 0,
										 UUIDPGetDatum(&correction->id),
										 says_of_correction(i, &correction->said)};
		bool				 nulls[] = {false, false, true, false, false};

		if (correction->said.kind != CDR_SAID_NOTHING)
			CDR_PUT_ROW(info, values, nulls);
	}
}

static void
return_row(ReturnSetInfo *info, const CdrCursor *cursor)
{
	CdrCall call;

	cdr_stored_call(cursor, &call);
	for (CdrRegister reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		if (cdr_call_has(&call, reg))
			return_register(info, &call, reg);
	}
	if (call.corrections != NULL)
		return_corrections(info, call.corrections);
}

PG_FUNCTION_INFO_V1(cdr_merge_state);

/* With the rights of the caller. */
Datum
cdr_merge_state(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrArguments   arguments = {1, true, {TEXTOID}, {PG_GETARG_DATUM(0)}};
	CdrTables	   tables;
	CdrCursor	   cursor;
	int			   guc_level;

	InitMaterializedSRF(fcinfo, 0);
	guc_level = cdr_reader_query_open(&tables);
	cdr_cursor_open(&cursor, psprintf(READ_ROW, tables.quoted), &arguments,
					CDR_AS_CALLER, 1);
	while (cdr_cursor_next(&cursor) != NULL)
		return_row(info, &cursor);
	cdr_cursor_close(&cursor);
	cdr_reader_query_close(guc_level);
	return (Datum) 0;
}
