/*-------------------------------------------------------------------------
 *
 * storing.h
 *	  A worker's batches: stored, then acknowledged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STORING_H
#define CDR_STORING_H

#include "worker/process.h"

/* Milliseconds: the longest wait between two tries of a batch. */
#define CDR_LONGEST_RETRY_DELAY 10000

/*
 * Stores the next part of what was received, and enters the state that
 * follows.
 */
extern void cdr_worker_store(CdrWorker *worker);

/* The same for a message that waits, if it is the time for one. */
extern bool cdr_worker_store_held(CdrWorker *worker);

/* Do those that wait take all the memory that they may? */
extern bool cdr_worker_is_full(const CdrWorker *worker);

/* Milliseconds until the next one's time; LONG_MAX: none waits. */
extern long cdr_worker_held_due(const CdrWorker *worker);

#endif /* CDR_STORING_H */
