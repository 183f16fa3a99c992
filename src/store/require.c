/*-------------------------------------------------------------------------
 *
 * require.c
 *	  SQL: are the tables what they are meant to be?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "store/tables.h"

PG_FUNCTION_INFO_V1(cdr_require_tables);

/*
 * For functions in SQL that read the tables with the rights of a caller who may
 * be a superuser: what is a view by now would run somebody's code.  The locks
 * stay, so that it does not become one.
 */
Datum
cdr_require_tables(PG_FUNCTION_ARGS)
{
	CdrTables tables;

	cdr_tables_require(&tables, AccessShareLock);
	PG_RETURN_VOID();
}
