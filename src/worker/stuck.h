/*-------------------------------------------------------------------------
 *
 * stuck.h
 *	  Work that a worker could not end, but for ending itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STUCK_H
#define CDR_STUCK_H

#include "worker/process.h"

/*
 * Has this process, where it ends by itself, tell at what, and remember it for the
 * next one; and takes over what the one before remembered.
 */
extern void cdr_stuck_begin(CdrWorker *worker);

/* Messages are tried now: blames them.  NULL: nothing is, any more. */
extern void cdr_stuck_note(const CdrEvent *events, int count);

/* The same of an event that is made up, like this one. */
extern void cdr_stuck_note_trial(const CdrEvent *like);

/*
 * Has a worker been stuck with a batch, not long ago?  Then what is delivered again
 * may be of it, to whichever worker.
 */
extern bool cdr_stuck_lately(void);

/* Has a worker been stuck with such a one?  Then none is tried again. */
extern bool cdr_stuck_by_trial(const CdrEvent *like);

/* Is one among them that a worker has been stuck with?  It is not tried again. */
extern const CdrEvent *cdr_stuck_among(const CdrEvent *events, int count);

/* Why it waits. */
extern CdrReason cdr_stuck_reason(void);

/* They are stored, and none of them is blamed for anything. */
extern void cdr_stuck_forget(const CdrEvent *events, int count);

/* After a reload all are tried again. */
extern void cdr_stuck_forget_all(CdrWorker *worker);

#endif /* CDR_STUCK_H */
