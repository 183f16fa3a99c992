/*-------------------------------------------------------------------------
 *
 * process.h
 *	  What the process of a worker knows: for start.c, which makes it, worker.c,
 *	  which runs it, and what these are made of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PROCESS_H
#define CDR_PROCESS_H

#include "alert/check.h"
#include "base/clock.h"
#include "broker/broker.h"
#include "worker/halving.h"
#include "worker/held.h"
#include "worker/pace.h"
#include "worker/stats.h"
#include "worker/unacked.h"

/* When it was tried whether another event could be stored. */
typedef struct CdrTrial
{
	CdrMoment next; /* not before */
	CdrMoment passed_at;
} CdrTrial;

/* What was given back to the broker: see given_back.c. */
typedef struct CdrGivenBack
{
	MemoryContext context;	  /* of the message; NULL: nothing is */
	CdrMessage	  message;	  /* one of those that could not be stored */
	int			  trials;	  /* in vain, since then */
	int			  times;	  /* in a row that this happened */
	CdrMoment consumes_since; /* again, after the last of these; 0: never */
} CdrGivenBack;

typedef struct CdrWorker
{
	int			   number;
	CdrWorkerState state;
	CdrBroker	  *broker;
	char		   name[128]; /* of the connection, on the broker */
	CdrUnacked	   unacked;
	CdrHalving	   halving; /* of what is not acknowledged */
	CdrHeld		   held;
	CdrPace		   pace;
	MemoryContext  parse_context;

	int		  failed_connects; /* in a row: sessions that proved nothing */
	CdrMoment connect_at;	   /* not before; 0: at once */
	bool	  proved;		   /* has this session? */
	CdrMoment proved_at;	   /* when it will have, without an event */
	CdrMoment ask_at;		   /* when to ask for the backlog again */
	int64	  backlog;		   /* as shown */
	int64	  consumers;
	int64	  others;
	int		  failed_stores; /* in a row */
	CdrMoment failing_since; /* the first of these */
	CdrMoment halving_at;	 /* not before */
	CdrMoment storable_at;	 /* the last time that an event was */
	CdrTrial  contended;	 /* of whether one would be, where others */
	CdrTrial  uncontended;	 /* are in the way, and where not */
	bool	  held_waits;	 /* for one turn, after it had one */
	int		  careful;		 /* messages to be tried one by one: stuck.c */
	CdrMoment partitions_at; /* not before, for the same reason */
	CdrMoment full_since; /* messages take all their memory; 0: they do not */
	CdrGivenBack  given_back;
	CdrMoment	  tell_retry_at; /* in the log, not before; so are these: */
	CdrMoment	  tell_held_at;
	CdrMoment	  tell_free_at;
	CdrMoment	  tell_slow_at;
	CdrMoment	  tell_useless_at;
	CdrMoment	  tell_mapping_at;
	int			  failed_upkeeps; /* of partitions, in a row */
	bool		  read_only;	  /* was the reason of the last one */
	CdrMoment	  wake_at;		  /* of backing off and retrying */
	CdrMoment	  maintain_at;	  /* when to look after partitions again */
	CdrMoment	  fold_at;		  /* the rollup; 0: there is nothing to fold */
	CdrAlertRound alerts;
	CdrMoment	  alerts_at; /* when to go on with them; 0: not settled yet */
	bool		  stats_pending;
} CdrWorker;

#endif /* CDR_PROCESS_H */
