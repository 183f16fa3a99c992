/*-------------------------------------------------------------------------
 *
 * alerts.h
 *	  When a worker evaluates the alert rules.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ALERTS_H
#define CDR_ALERTS_H

#include "worker/process.h"

/* Evaluates one rule, if it is time for that; between batches. */
extern void cdr_worker_check_alerts(CdrWorker *worker);

/* Milliseconds until that is due. */
extern long cdr_worker_alerts_due(CdrWorker *worker);

#endif /* CDR_ALERTS_H */
