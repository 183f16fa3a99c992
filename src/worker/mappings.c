/*-------------------------------------------------------------------------
 *
 * mappings.c
 *	  The mappings that a worker reads events by.
 *
 * Events are parsed outside of a transaction, so what is in force is looked up in
 * a short one before.  Those of a batch that is halved outlive transactions, and
 * point into what was in force: until it is stored, nothing is taken over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/cancel.h"
#include "store/mapping_cache.h"
#include "worker/delay.h"
#include "worker/mappings.h"
#include "worker/trying.h"

/*
 * What is new, and the same once in a while; in the log, too: nobody may look at
 * the status.
 */
static void
tell_problem(CdrWorker *worker, const CdrReason *reason)
{
	static char told[CDR_REASON_LENGTH];

	if (strcmp(told, reason->message) == 0 &&
		cdr_milliseconds_until(worker->tell_mapping_at) > 0)
		return;
	worker->tell_mapping_at = 0;
	(void) cdr_worker_may_tell(&worker->tell_mapping_at);
	strlcpy(told, reason->message, sizeof(told));
	cdr_stats_set_error(reason);
	ereport(LOG, (errcode(reason->sqlerrcode), errmsg("%s", reason->message),
				  reason->hint ? errhint("%s", reason->hint) : 0));
}

void
cdr_worker_keep_up_mappings(CdrWorker *worker)
{
	CdrReasonBuffer why;
	bool			done;

	if (cdr_halving_goes_on(&worker->halving))
		return;
	cdr_cancel_begin();
	done = cdr_mappings_keep_up(&why);
	cdr_cancel_end();
	if (!done || cdr_mappings_problem(&why))
		tell_problem(worker, &why.reason);
}
