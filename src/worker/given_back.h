/*-------------------------------------------------------------------------
 *
 * given_back.h
 *	  Nothing can be stored, and all was given back to the broker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_GIVEN_BACK_H
#define CDR_GIVEN_BACK_H

#include "worker/process.h"

/*
 * Gives all that is not acknowledged back to the broker.  The worker consumes
 * nothing until a message like this one, which is of them, could be stored.
 */
extern void cdr_worker_give_back(CdrWorker *worker, const CdrMessage *message);

/* Tries whether it could.  If not, the worker waits, longer each time. */
extern bool cdr_given_back_is_over(CdrWorker *worker);

/* Whoever reloads wants it tried often again. */
extern void cdr_given_back_hurry(CdrWorker *worker);

#endif /* CDR_GIVEN_BACK_H */
