/*-------------------------------------------------------------------------
 *
 * act.c
 *	  What is done to records on purpose: by whom, why, and with whose rights.
 *
 * A records manager and counsel have no right on the tables: they may call some
 * functions, which work as the owner of calls, in a security-restricted context.
 * What an act means is SQL (hold.sql, retention.sql), which gets the caller's words
 * as values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "retention/act.h"
#include "store/unsealed.h"

#define REASON_MAX	  1000 /* bytes */
#define ARGUMENTS_MAX 16

const char *
cdr_act_reason(FunctionCallInfo fcinfo, int argument)
{
	const char *reason = PG_ARGISNULL(argument)
							 ? ""
							 : text_to_cstring(PG_GETARG_TEXT_PP(argument));
	const char *rest = reason;

	while (isspace((unsigned char) *rest))
		rest++;
	if (*rest == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a reason is needed"),
						errhint("It is kept with what is done.")));
	if (strlen(reason) > REASON_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the reason is longer than %d bytes", REASON_MAX)));
	return reason;
}

void
cdr_act_open(CdrTables *tables, CdrRights *rights)
{
	cdr_tables_require(tables, AccessShareLock);
	if (!cdr_evidence_table_is_ours(tables, "cdr_holds"))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the tables of retention are missing"),
						errhint("Run SELECT %s.cdr_create_retention_tables().",
								tables->quoted)));
	cdr_rights_assume(tables, tables->owner, rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
cdr_act_close(const CdrRights *rights)
{
	SPI_finish();
	cdr_rights_restore(rights);
}

/* The call of a function with so many arguments. */
static const char *
act_query(const CdrTables *tables, const char *function, int nargs)
{
	StringInfoData call;

	initStringInfo(&call);
	appendStringInfo(&call, "SELECT %s.%s(", tables->quoted, function);
	for (int i = 0; i < nargs; i++)
		appendStringInfo(&call, "%s$%d", i > 0 ? ", " : "", i + 1);
	appendStringInfoChar(&call, ')');
	return call.data;
}

/* The one value of the query that was run, for who called this function. */
static Datum
act_value(FunctionCallInfo fcinfo)
{
	Oid	  type = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
	int16 length;
	bool  by_value;
	Datum value;

	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						  &fcinfo->isnull);
	get_typlenbyval(type, &length, &by_value);
	/* void has no value to copy */
	if (fcinfo->isnull || type == VOIDOID)
		return (Datum) 0;
	return SPI_datumTransfer(value, by_value, length);
}

Datum
cdr_act(FunctionCallInfo fcinfo, int reason_argument, const char *function)
{
	CdrTables tables;
	CdrRights rights;
	Oid		 *declared;
	Oid		  types[ARGUMENTS_MAX];
	Datum	  values[ARGUMENTS_MAX];
	char	  nulls[ARGUMENTS_MAX + 1] = "                ";
	int		  nargs;
	Datum	  result;

	(void) cdr_act_reason(fcinfo, reason_argument);
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &declared, &nargs);
	Assert(nargs == PG_NARGS() && nargs + 2 <= ARGUMENTS_MAX);
	for (int i = 0; i < nargs; i++)
	{
		types[i] = declared[i];
		values[i] = fcinfo->args[i].value;
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	types[nargs] = types[nargs + 1] = TEXTOID;
	values[nargs] =
		CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	values[nargs + 1] =
		CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));

	cdr_act_open(&tables, &rights);
	if (SPI_execute_with_args(act_query(&tables, function, nargs + 2),
							  nargs + 2, types, values, nulls, false,
							  1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "unexpected result of %s", function);
	result = act_value(fcinfo);
	cdr_act_close(&rights);
	return result;
}
