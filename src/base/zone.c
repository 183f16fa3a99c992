/*-------------------------------------------------------------------------
 *
 * zone.c
 *	  What the clocks of a zone show that somebody names.
 *
 * Whose name of a zone is wrong has mostly written a city alone, or another argument
 * in its place: the server's error does not say what to write instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/zone.h"

static void
zone_error(void *unused)
{
	if (geterrcode() == ERRCODE_INVALID_PARAMETER_VALUE)
		errhint("Write its full name, such as \"Europe/Berlin\"; "
				"pg_timezone_names lists all.");
}

Datum
cdr_local_timestamp(Datum zone, TimestampTz at)
{
	ErrorContextCallback context = {.previous = error_context_stack,
									.callback = zone_error};
	Datum				 local;

	error_context_stack = &context;
	local =
		DirectFunctionCall2(timestamptz_zone, zone, TimestampTzGetDatum(at));
	error_context_stack = context.previous;
	return local;
}
