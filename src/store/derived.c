/*-------------------------------------------------------------------------
 *
 * derived.c
 *	  SQL: values of calls that follow from others, for generated columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "call/merge.h"

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
