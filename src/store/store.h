/*-------------------------------------------------------------------------
 *
 * store.h
 *	  A batch of events to the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STORE_H
#define CDR_STORE_H

#include <signal.h>

#include "utils/array.h"

#include "event/event.h"

/* What became of a batch. */
typedef struct CdrStoreResult
{
	int64		recorded;
	int64		duplicates;
	int64		dead_letters;
	TimestampTz last_event_time; /* of the latest event; 0: none */
	TimestampTz committed_at;

	/* why not, where the outcome is not CDR_STORE_DONE, or why the last of
	 * the dead letters is one */
	char sqlstate[6];
	char error[512];
} CdrStoreResult;

typedef enum CdrStoreOutcome
{
	CDR_STORE_DONE,		   /* committed and durable: may be acknowledged */
	CDR_STORE_RETRY,	   /* nothing was written; the moment was wrong */
	CDR_STORE_NOT_DURABLE, /* committed here, but a standby may lack it */
	CDR_STORE_NO_TABLES	   /* the extension is not there (any more) */
} CdrStoreOutcome;

/*
 * Set by whoever handles SIGINT in the worker, when one comes: a commit that
 * was waiting for a synchronous standby then does not wait on.
 */
extern volatile sig_atomic_t cdr_store_cancel_seen;

/*
 * Writes a batch in a transaction of its own; for the worker, outside of any
 * transaction.  Events that were not understood (event->reason is set), and
 * those that the tables refuse, become dead letters.  The array is reordered.
 * Never throws, but for FATAL.
 */
extern CdrStoreOutcome
cdr_store_batch(CdrEvent *events, int count, CdrStoreResult *result);

/*
 * Is this session read-only by a setting of its database or role that is not
 * there any more?  A session reads those when it begins, and never again.
 * For the worker, outside of any transaction; throws.
 */
extern bool cdr_store_is_outdated(void);

/*
 * Writes events in the caller's transaction; for SQL functions.  All must
 * have been understood; whatever the tables refuse is an ERROR.
 */
extern void
cdr_store_events(CdrEvent *events, int count, CdrStoreResult *result);

/*
 * Tries dead letters again, those with the ids given or (NULL) all, in the
 * caller's transaction.  Returns how many became events.
 */
extern int64
cdr_store_retry_dead_letters(ArrayType *ids, const CdrEventOptions *options);

#endif /* CDR_STORE_H */
