/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  SQL: holds, placed and released.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "retention/act.h"

PG_FUNCTION_INFO_V1(cdr_hold);

/* cdr_hold(reason, reference, authority, call_id, number, tenant_id, from_time,
 * to_time, expires_at) */
Datum
cdr_hold(PG_FUNCTION_ARGS)
{
	return cdr_act(fcinfo, 0, "cdr_place_hold");
}

PG_FUNCTION_INFO_V1(cdr_release_hold);

/* cdr_release_hold(hold_id, reason) */
Datum
cdr_release_hold(PG_FUNCTION_ARGS)
{
	return cdr_act(fcinfo, 1, "cdr_end_hold");
}
