/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  A worker's batch, in a transaction of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_BATCH_H
#define CDR_BATCH_H

#include "base/reason.h"
#include "event/event.h"
#include "store/patience.h"

/* What became of a batch. */
typedef struct CdrBatchResult
{
	int64		recorded;
	int64		without_call; /* of those recorded; see record.h */
	int64		without_time;
	int64		unmapped;
	int64		duplicates;
	int64		dead_letters;
	TimestampTz last_event_time; /* of the latest event; 0: none */
	TimestampTz committed_at;

	/* why not, where the outcome is CDR_BATCH_RETRY or CDR_BATCH_UNFIT, or why
	 * the last of the dead letters is one, or an event is of no use to a call; in the memory context that was
	 * current */
	CdrReason reason;

	/* CDR_BATCH_RETRY, because others had a lock, or changed the same rows */
	bool contended;

	/* CDR_BATCH_RETRY, because code of a user said so, such as a trigger */
	bool raised;

	/* CDR_BATCH_RETRY, because the server lacks room, memory, or another resource */
	bool starved;
} CdrBatchResult;

typedef enum CdrBatchOutcome
{
	CDR_BATCH_STORED,	   /* committed and durable: may be acknowledged */
	CDR_BATCH_RETRY,	   /* nothing was written; the moment was wrong */
	CDR_BATCH_NOT_DURABLE, /* committed here, but a standby may lack it */
	CDR_BATCH_UNFIT,	   /* nothing was written; the tables do not fit */
	CDR_BATCH_NO_EXTENSION /* it is not there (any more) */
} CdrBatchOutcome;

/*
 * Writes a batch in a transaction of its own; for the worker, outside of any
 * transaction.  Events that were not understood, and those that the tables
 * refuse, become dead letters.  Throws nothing that
 * the batch or the tables are to blame for: FATAL, and out of memory before
 * the transaction begins.
 */
extern CdrBatchOutcome
cdr_batch_store(CdrEvent *events, int count, CdrPatience patience,
				CdrBatchResult *result);

/* What an event is like that is made up; see the head of batch.c. */
typedef enum CdrTrialKind
{
	CDR_TRIAL_ANY,	 /* either will do */
	CDR_TRIAL_ALIKE, /* says the same, of another call */
	CDR_TRIAL_BARE	 /* says nothing; an event, and no letter */
} CdrTrialKind;

/*
 * Could another event, or dead letter, of the same time be stored now?  Writes one
 * or two that are made up and takes them back, each in a transaction of its own;
 * for the worker, where the one at hand cannot be stored.
 */
extern bool cdr_batch_would_store(const CdrEvent *like, CdrTrialKind kind,
								  CdrPatience patience);

/*
 * Did the last transaction that was to be committed fail in that, as where the
 * queue of notifications is full, or another server cannot commit its part?  Then
 * no trial tells whether another event could be stored, for it is taken back before.
 */
extern bool cdr_batch_commit_failed(void);

#endif /* CDR_BATCH_H */
