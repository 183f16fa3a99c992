/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  What a worker does beside batches, in transactions of its own.
 *
 * No batch depends on it.  So an error is told, and the worker goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "store/upkeep.h"

void
cdr_upkeep_begin(const char *activity, CdrPatience patience)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
	cdr_patience_begin(patience);
}

void
cdr_upkeep_end(void)
{
	PopActiveSnapshot();
	cdr_patience_end();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
cdr_upkeep_failed(const char *what, MemoryContext context,
				  CdrUpkeepTells tells, void *argument,
				  CdrReasonBuffer *reason)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	cdr_patience_end();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	(void) cdr_fail(reason, error->sqlerrcode, "could not %s: %s", what,
					error->message ? error->message : "");
	if (tells == NULL || tells(error, argument))
		EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	pgstat_report_activity(STATE_IDLE, NULL);
	FreeErrorData(error);
	RESUME_INTERRUPTS();
}
