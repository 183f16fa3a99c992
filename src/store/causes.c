/*-------------------------------------------------------------------------
 *
 * causes.c
 *	  The list of hangup causes, for SQL.
 *
 * The table cdr_causes has the same rows, and those of the site; neither
 * function reads it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "call/causes.h"

PG_FUNCTION_INFO_V1(cdr_disposition);

/* Of no cause, too: such a call rang out. */
Datum
cdr_disposition(PG_FUNCTION_ARGS)
{
	const char *name =
		PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(cdr_cause_disposition(name)));
}

PG_FUNCTION_INFO_V1(cdr_cause_name);

Datum
cdr_cause_name(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(cdr_cause_fold(name)));
}
