/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Retention of the record of who read what.
 *
 * The record belongs to whoever installed the extension, and nobody else may change
 * it.  So it is not taken away as the owner of calls, but by functions of the extension,
 * as a superuser.  What these need to know of tables of the owner, which may have planted
 * code in them, is read as the owner before, and handed over as values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

#include "retention/access.h"
#include "retention/act.h"

/* From when on rows are kept, and what is held, as jsonb. */
typedef struct AccessLimits
{
	Datum until;
	Datum holds;
} AccessLimits;

/* A value of the one row of a query. */
static Datum
access_value(int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column,
						 isnull);
}

static void
access_query(const char *sql, int nargs, Oid *types, Datum *values)
{
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 1) !=
			SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "the record of who read what cannot be retired");
}

/* As the owner of calls, in SPI; false: there is no rule. */
static bool
find_limits(const CdrTables *tables, TimestampTz at, MemoryContext context,
			AccessLimits *limits)
{
	Oid			  type = TIMESTAMPTZOID;
	Datum		  value = TimestampTzGetDatum(at);
	bool		  no_rule;
	bool		  isnull;
	MemoryContext outer;

	access_query(
		psprintf("SELECT * FROM %s.cdr_access_limits($1)", tables->quoted), 1,
		&type, &value);
	limits->until = access_value(1, &no_rule);
	outer = MemoryContextSwitchTo(context);
	limits->holds = datumCopy(access_value(2, &isnull), false, -1);
	MemoryContextSwitchTo(outer);
	return !no_rule;
}

/* As a superuser, one of the functions of access.sql, in SPI. */
static void
call_on_record(const CdrTables *tables, const char *function, int nargs,
			   Oid *types, Datum *values)
{
	Oid user;
	int security_context;

	GetUserIdAndSecContext(&user, &security_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   security_context | SECURITY_RESTRICTED_OPERATION |
							   SECURITY_LOCAL_USERID_CHANGE);
	access_query(psprintf("SELECT * FROM %s.%s", tables->quoted, function),
				 nargs, types, values);
	SetUserIdAndSecContext(user, security_context);
}

bool
cdr_access_count(TimestampTz at, CdrAccessCount *count)
{
	Oid			 types[2] = {TIMESTAMPTZOID, JSONBOID};
	AccessLimits limits;
	CdrTables	 tables;
	CdrRights	 rights;
	bool		 found;
	bool		 isnull;

	cdr_act_open(&tables, &rights);
	found = find_limits(&tables, at, CurrentMemoryContext, &limits);
	if (found)
	{
		call_on_record(&tables, "cdr_count_access($1, $2)", 2, types,
					   (Datum *) &limits);
		count->rows = DatumGetInt64(access_value(1, &isnull));
		count->bytes = DatumGetInt64(access_value(2, &isnull));
		count->held = DatumGetInt64(access_value(3, &isnull));
	}
	cdr_act_close(&rights);
	return found;
}

int64
cdr_access_retire(TimestampTz at, int max_rows, Datum login, Datum role)
{
	Oid types[3] = {TIMESTAMPTZOID, JSONBOID, INT4OID};
	Oid note_types[5] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID,
						 TEXTOID};
	AccessLimits limits;
	CdrTables	 tables;
	CdrRights	 rights;
	int64		 rows = 0;
	bool		 isnull;

	cdr_act_open(&tables, &rights);
	access_query(psprintf("SELECT %s.cdr_lock_rules()", tables.quoted), 0,
				 NULL, NULL);
	if (find_limits(&tables, at, CurrentMemoryContext, &limits))
	{
		Datum values[3] = {limits.until, limits.holds,
						   Int32GetDatum(max_rows)};
		Datum note[5] = {0, 0, 0, login, role};

		call_on_record(&tables, "cdr_take_access($1, $2, $3)", 3, types,
					   values);
		for (int i = 0; i < 3; i++)
			note[i] = access_value(i + 1, &isnull);
		rows = DatumGetInt64(note[0]);
		if (rows > 0)
			access_query(psprintf("SELECT %s.cdr_note_access_retired"
								  "($1, $2, $3, $4, $5)",
								  tables.quoted),
						 5, note_types, note);
	}
	cdr_act_close(&rights);
	return rows;
}
