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

#endif /* CDR_STORING_H */
