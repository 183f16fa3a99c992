/*-------------------------------------------------------------------------
 *
 * result.c
 *	  Rows of SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/tuplestore.h"

#include "base/result.h"

void
cdr_put_row(ReturnSetInfo *info, int ncolumns, Datum *values, bool *nulls)
{
	if (info->setDesc->natts != ncolumns)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a function is declared with %d columns, and its library "
					"has %d",
					info->setDesc->natts, ncolumns),
			 errhint("Restart the server after an update of the library, and "
					 "run ALTER EXTENSION cdr_service UPDATE.")));
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}
