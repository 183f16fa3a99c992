/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The inside of a worker, for start.c, which makes it, and worker.c, which
 *	  runs it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WORKER_H
#define CDR_WORKER_H

#include "broker/broker.h"
#include "worker/halving.h"
#include "worker/held.h"
#include "worker/stats.h"
#include "worker/unacked.h"

typedef struct CdrWorker
{
	int			   number;
	CdrWorkerState state;
	CdrBroker	  *broker;
	char		   name[128]; /* of the connection, on the broker */
	CdrUnacked	   unacked;
	CdrHalving	   halving; /* of what is not acknowledged */
	CdrHeld		   held;
	MemoryContext  parse_context;

	int			failed_connects; /* in a row: sessions that proved nothing */
	TimestampTz connect_at;		 /* not before; 0: at once */
	bool		proved;			 /* has this session? */
	TimestampTz proved_at;		 /* when it will have, without an event */
	TimestampTz ask_at;			 /* when to ask for the backlog again */
	int64		backlog;		 /* as shown */
	int64		consumers;
	int			failed_stores;	/* in a row */
	TimestampTz failing_since;	/* the first of these */
	TimestampTz halving_at;		/* not before */
	int			failed_upkeeps; /* of partitions, in a row */
	bool		read_only;		/* was the reason of the last one */
	TimestampTz wake_at;		/* of backing off and retrying */
	TimestampTz maintain_at;	/* when to look after partitions again */
	bool		stats_pending;
} CdrWorker;

/* The life of a worker that is connected to its database; never returns. */
extern void cdr_worker_run(CdrWorker *worker);

#endif /* CDR_WORKER_H */
