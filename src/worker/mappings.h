/*-------------------------------------------------------------------------
 *
 * mappings.h
 *	  The mappings that a worker reads events by.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WORKER_MAPPINGS_H
#define CDR_WORKER_MAPPINGS_H

#include "worker/process.h"

/*
 * Before events are parsed, while there are no others: takes over what was
 * changed since, and tells of what cannot be.
 */
extern void cdr_worker_keep_up_mappings(CdrWorker *worker);

#endif /* CDR_WORKER_MAPPINGS_H */
