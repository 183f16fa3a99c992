/*-------------------------------------------------------------------------
 *
 * states.h
 *	  From one state of a worker to another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STATES_H
#define CDR_STATES_H

#include "worker/worker.h"

extern void cdr_worker_enter(CdrWorker *worker, CdrWorkerState state);

/* When a state that waits is over, milliseconds from now. */
extern void cdr_worker_wake_after(CdrWorker *worker, long milliseconds);

/* Leaves the broker; what is not acknowledged comes again. */
extern void cdr_worker_disconnect(CdrWorker *worker);

/* The session with the broker failed, or could not be had. */
extern void cdr_worker_back_off(CdrWorker *worker);

/* Where to go once events can be stored. */
extern void cdr_worker_enter_connecting(CdrWorker *worker);

/* Waits until the tables are what events can be stored in. */
extern void
cdr_worker_wait_for_tables(CdrWorker *worker, const CdrReason *why);

#endif /* CDR_STATES_H */
