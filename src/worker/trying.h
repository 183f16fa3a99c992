/*-------------------------------------------------------------------------
 *
 * trying.h
 *	  One try to store some messages, and what follows whatever they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TRYING_H
#define CDR_TRYING_H

#include "base/clock.h"
#include "store/batch.h"
#include "worker/process.h"

/*
 * May trouble that comes and goes be told?  Once in a minute; counters have all
 * of it.
 */
extern bool cdr_worker_may_tell(CdrMoment *not_before);

/* One try of some events, parsed in the current memory context. */
extern CdrBatchOutcome
cdr_worker_try(CdrWorker *worker, CdrEvent *events, int count,
			   CdrPatience patience, CdrBatchResult *result);

/* Something is durable. */
extern void
cdr_worker_count_stored(CdrWorker *worker, const CdrBatchResult *result);

/*
 * Statements are slow, and what is stored is not to blame: see pace.h.  Tells it, and
 * has fewer tried together.
 */
extern void cdr_worker_begin_slow(CdrWorker *worker, double each);

/* Where they are: so many took longer than they may. */
extern void cdr_worker_note_timeout(CdrWorker *worker, int count);

/* Neither stored, nor a matter of the moment: leaves the broker. */
extern void cdr_worker_leave(CdrWorker *worker, CdrBatchOutcome outcome,
							 const CdrReason *reason);

/* What the status says of a message that waits. */
extern void
cdr_worker_tell_waiting(const CdrEvent *event, const CdrReason *reason);

/*
 * Would another event be stored now?  If not, what waits is not to blame: all
 * events wait for the same.  See cdr_batch_would_store().
 */
extern bool cdr_worker_would_store(CdrWorker *worker, const CdrEvent *event,
								   CdrTrialKind kind);

#endif /* CDR_TRYING_H */
