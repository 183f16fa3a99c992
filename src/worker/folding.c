/*-------------------------------------------------------------------------
 *
 * folding.c
 *	  A worker folds what batches have appended to the rollup.
 *
 * Nothing depends on it but how long reports take.  So it is done between batches, by
 * one worker at a time, and a worker that has nothing to do does not wake for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "store/rollup_fold.h"
#include "worker/folding.h"
#include "worker/stats.h"

/* Milliseconds: after the first batch; after one that failed. */
#define FOLD_INTERVAL 10000
#define FOLD_RETRY	  60000

void
cdr_worker_fold_later(CdrWorker *worker)
{
	if (worker->fold_at == 0)
		worker->fold_at = cdr_after(FOLD_INTERVAL);
}

void
cdr_worker_fold(CdrWorker *worker)
{
	CdrReasonBuffer why;
	bool			done;
	bool			more;

	if (worker->fold_at == 0 || cdr_milliseconds_until(worker->fold_at) > 0)
		return;
	cdr_cancel_begin();
	done = cdr_rollup_maintain(&more, &why);
	cdr_cancel_end();
	worker->stats_pending = true;
	worker->fold_at = 0;
	if (!done)
	{
		cdr_stats_set_error(&why.reason);
		worker->fold_at = cdr_after(FOLD_RETRY);
	}
	else if (more)
		/* a batch first, if one is due */
		worker->fold_at = cdr_now();
}

long
cdr_worker_fold_due(const CdrWorker *worker, long at_most)
{
	return worker->fold_at == 0
			   ? at_most
			   : Min(cdr_milliseconds_until(worker->fold_at), at_most);
}
