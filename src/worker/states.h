/*-------------------------------------------------------------------------
 *
 * states.h
 *	  From one state of a worker to another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STATES_H
#define CDR_STATES_H

#include "worker/process.h"

extern void cdr_worker_enter(CdrWorker *worker, CdrWorkerState state);

/* When a state that waits is over, milliseconds from now. */
extern void cdr_worker_wake_after(CdrWorker *worker, long milliseconds);

/* Leaves the broker; what is not acknowledged comes again. */
extern void cdr_worker_disconnect(CdrWorker *worker);

/* A session began; and it has proved its worth, which is noted once. */
extern void cdr_worker_begin_session(CdrWorker *worker);
extern void cdr_worker_prove(CdrWorker *worker);

/* What failed before is no reason to wait, any more. */
extern void cdr_worker_forget_failures(CdrWorker *worker);

/* The session failed, or could not be had, as the broker says or as is given. */
extern void cdr_worker_back_off(CdrWorker *worker);
extern void
cdr_worker_back_off_for(CdrWorker *worker, const CdrReason *reason);

/* Where to go once events can be stored. */
extern void cdr_worker_enter_connecting(CdrWorker *worker);

/* Without a session, waits until the tables are what events can be stored in,
 * or until the extension is there. */
extern void
cdr_worker_wait_for_tables(CdrWorker *worker, const CdrReason *why);
extern void cdr_worker_wait_for_extension(CdrWorker *worker);

#endif /* CDR_STATES_H */
