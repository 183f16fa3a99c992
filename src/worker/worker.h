/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The life of a worker, as a small state machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WORKER_H
#define CDR_WORKER_H

#include "worker/process.h"

/* The life of a worker that is connected to its database; never returns. */
extern void cdr_worker_run(CdrWorker *worker);

#endif /* CDR_WORKER_H */
