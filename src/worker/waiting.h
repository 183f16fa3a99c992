/*-------------------------------------------------------------------------
 *
 * waiting.h
 *	  Messages that wait, because they alone cannot be stored: their turns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WAITING_H
#define CDR_WAITING_H

#include "worker/process.h"

/* Tries the one whose turn it is, if it is the time for that. */
extern bool cdr_worker_store_held(CdrWorker *worker);

/*
 * Messages were added: when does the first have its turn, and do others still have
 * room?  Where they do not, the broker sends more, as long as that may be.
 */
extern void cdr_worker_held_begin(CdrWorker *worker);

/* Do those that wait take all the memory that they may? */
extern bool cdr_worker_is_full(const CdrWorker *worker);

/* Milliseconds until the next one's time; LONG_MAX: none waits. */
extern long cdr_worker_held_due(CdrWorker *worker);

#endif /* CDR_WAITING_H */
