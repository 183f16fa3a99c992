/*-------------------------------------------------------------------------
 *
 * folding.h
 *	  A worker folds what batches have appended to the rollup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FOLDING_H
#define CDR_FOLDING_H

#include "worker/process.h"

/* A batch was stored: it has something to fold, after a while. */
extern void cdr_worker_fold_later(CdrWorker *worker);

/* Folds it, if it is time. */
extern void cdr_worker_fold(CdrWorker *worker);

/* Milliseconds until then; at most so many. */
extern long cdr_worker_fold_due(const CdrWorker *worker, long at_most);

#endif /* CDR_FOLDING_H */
