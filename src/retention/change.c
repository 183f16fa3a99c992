/*-------------------------------------------------------------------------
 *
 * change.c
 *	  The trigger that refuses to change the log.
 *
 * What this extension does to the log on purpose (remaps, moves out of the default
 * partition, retention, erasure) it does as the role that writes or the owner, in
 * a security-restricted operation: that is how it is told from whoever does it by
 * hand.  It guards against accidents: who owns the table can drop the trigger.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "store/guard.h"

PG_FUNCTION_INFO_V1(cdr_refuse_change);

Datum
cdr_refuse_change(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (const TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("cdr_refuse_change() is a trigger of table "
							   "\"call_events\"")));
	cdr_guard_change(RelationGetRelationName(data->tg_relation));
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event)
							   ? data->tg_newtuple
							   : data->tg_trigtuple);
}
