/*-------------------------------------------------------------------------
 *
 * erase.c
 *	  SQL: what would be erased, and to erase it.
 *
 * As the owner of calls, for whoever may call it: what an act means is SQL, which gets
 * the caller's words as values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "retention/act.h"
#include "store/cursor.h"
#include "store/unsealed.h"

/* An argument as a literal. */
static const char *
literal_of(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return "NULL";
	return quote_literal_cstr(text_to_cstring(PG_GETARG_TEXT_PP(argument)));
}

static void
require_erasure_tables(const CdrTables *tables)
{
	if (!cdr_evidence_table_is_ours(tables, "cdr_erasure_keys") ||
		!cdr_evidence_table_is_ours(tables, "cdr_erased_calls") ||
		!cdr_evidence_table_is_ours(tables, "cdr_erasures"))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the tables of erasure are missing"),
						errhint("Run SELECT %s.cdr_create_erasure_tables().",
								tables->quoted)));
}

PG_FUNCTION_INFO_V1(cdr_erasure_plan);

/* cdr_erasure_plan(number, call_id, tenant_id, deep) */
Datum
cdr_erasure_plan(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrArguments   none = {0};
	CdrTables	   tables;
	CdrRights	   rights;
	const char	  *arguments =
		psprintf("%s, %s, %s, %s", literal_of(fcinfo, 0),
				 literal_of(fcinfo, 1), literal_of(fcinfo, 2),
				 !PG_ARGISNULL(3) && PG_GETARG_BOOL(3) ? "true" : "false");

	InitMaterializedSRF(fcinfo, 0);
	cdr_act_open(&tables, &rights);
	require_erasure_tables(&tables);
	cdr_cursor_return(info,
					  psprintf("SELECT * FROM %s.cdr_plan_erasure(%s)",
							   tables.quoted, arguments),
					  &none);
	cdr_act_close(&rights);
	return (Datum) 0;
}

/*
 * Has all processes look again which keys there are: those who record events, so
 * that they know the calls of an erasure that has committed.
 */
static void
spread_keys(void)
{
	CdrTables tables;

	cdr_tables_require(&tables, AccessShareLock);
	CacheInvalidateRelcacheByRelid(
		get_relname_relid("cdr_erasure_keys", tables.schema));
}

static Datum
act_of_erasure(FunctionCallInfo fcinfo, int reason_argument,
			   const char *function)
{
	CdrTables tables;
	Datum	  result;

	cdr_tables_require(&tables, AccessShareLock);
	require_erasure_tables(&tables);
	result = cdr_act(fcinfo, reason_argument, function);
	spread_keys();
	return result;
}

PG_FUNCTION_INFO_V1(cdr_erase);

/* cdr_erase(number, call_id, tenant_id, reason, reference, max_calls) */
Datum
cdr_erase(PG_FUNCTION_ARGS)
{
	return act_of_erasure(fcinfo, 3, "cdr_erase_chosen");
}

PG_FUNCTION_INFO_V1(cdr_destroy_erasure_key);

/* cdr_destroy_erasure_key(month, reason) */
Datum
cdr_destroy_erasure_key(PG_FUNCTION_ARGS)
{
	return act_of_erasure(fcinfo, 1, "cdr_end_erasure_key");
}

PG_FUNCTION_INFO_V1(cdr_reapply_erasures);

/* cdr_reapply_erasures(reason, max_calls) */
Datum
cdr_reapply_erasures(PG_FUNCTION_ARGS)
{
	return act_of_erasure(fcinfo, 0, "cdr_erase_again");
}

PG_FUNCTION_INFO_V1(cdr_erase_alerts);

/*
 * cdr_erase_alerts(key, ids, number, tenant_id)
 *
 * Alerts are those of whoever installed the extension, and the owner of calls may not
 * change them.  It may do this; the function that does it is the extension's own, has
 * a search_path of its own, and reads and writes nothing of others.
 */
Datum
cdr_erase_alerts(PG_FUNCTION_ARGS)
{
	Oid		  types[4] = {BYTEAOID, TEXTARRAYOID, TEXTOID, TEXTOID};
	Datum	  values[4];
	char	  nulls[5] = "    ";
	CdrTables tables;
	Oid		  user;
	int		  security_context;
	bool	  isnull;
	int64	  renamed;

	cdr_tables_require(&tables, AccessShareLock);
	if (GetUserId() != tables.owner)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("alerts are erased by the owner of calls")));
	for (int i = 0; i < 4; i++)
	{
		values[i] = fcinfo->args[i].value;
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	GetUserIdAndSecContext(&user, &security_context);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   security_context | SECURITY_RESTRICTED_OPERATION |
							   SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_execute_with_args(psprintf("SELECT %s.cdr_rename_alerts"
									   "($1, $2, $3, $4)",
									   tables.quoted),
							  4, types, values, nulls, false,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "alerts are not erased");
	renamed = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	SetUserIdAndSecContext(user, security_context);
	SPI_finish();
	PG_RETURN_INT64(renamed);
}
