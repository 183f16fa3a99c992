/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  What each worker does and has done, in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STATS_H
#define CDR_STATS_H

#include "datatype/timestamp.h"

#include "base/clock.h"
#include "base/reason.h"
#include "store/batch.h"

#define CDR_SLOW_HINT                                                         \
	"Look for a trigger, function or constraint of yours on the tables that " \
	"takes long."

/* Bytes of a name: of a host, a queue, a user. */
#define CDR_NAME_LENGTH 256

/* The states of a worker, in the order of its life. */
typedef enum CdrWorkerState
{
	CDR_NOT_STARTED,
	CDR_STARTING,
	CDR_CRASHED,
	CDR_PAUSED,
	CDR_WAITING_FOR_EXTENSION,
	CDR_WAITING_FOR_TABLES,
	CDR_NOT_CONFIGURED,
	CDR_CONNECTING,
	CDR_CONSUMING,
	CDR_STORING,
	CDR_RETRYING,
	CDR_WAITING_TO_STORE,
	CDR_BACKING_OFF,
	CDR_STOPPED
} CdrWorkerState;

/* Messages that one worker remembers at most; see stuck.c. */
#define CDR_STUCK_MAX 256

typedef struct CdrStuckMessage
{
	pg_uuid_t id;
	bool	  is_set;
	bool	  is_letter; /* it was to be a dead letter */
	bool	  by_trial;	 /* an event made up for its sake was stuck, too */
} CdrStuckMessage;

/* What the processes before got stuck with, and ended for. */
typedef struct CdrStuck
{
	int				ended;		   /* processes in a row that stored nothing */
	int				careful;	   /* messages to be tried one by one */
	CdrMoment		batch_at;	   /* when it was a batch; 0: never */
	CdrMoment		partitions_at; /* none are made before */
	int				next;		   /* place of the next message */
	CdrStuckMessage messages[CDR_STUCK_MAX];
} CdrStuck;

/* A copy of what shared memory holds about one worker. */
typedef struct CdrWorkerStats
{
	CdrWorkerState state;
	int			   pid; /* 0: no process */
	TimestampTz	   since;
	TimestampTz	   unhealthy_since; /* 0: healthy, or paused */
	CdrMoment	   alive_at;		/* its last sign of life */

	/* of the last try to connect; "": none yet */
	char host[CDR_NAME_LENGTH];
	char vhost[CDR_NAME_LENGTH];
	char user[CDR_NAME_LENGTH];
	char queue[CDR_NAME_LENGTH];

	TimestampTz connected_at;  /* 0: not connected */
	int64		backlog;	   /* messages on the queue; -1: not known */
	int64		consumers;	   /* of the queue; -1: not known */
	int64		others;		   /* of these, that are no workers; 0: none */
	TimestampTz backlog_since; /* 0: not more than is sent ahead */
	int64 waiting; /* events that are held: they alone cannot be stored */
	bool  keep_others_out; /* they take all the room that there is */
	bool  slow;			   /* statements are, whatever they store */
	int	  slow_together;   /* so many events are stored together then */
	int	  slow_each;	   /* milliseconds that one takes; 0: not known */

	int64		connects;
	int64		received;
	int64		recorded;
	int64		without_call;
	int64		without_time;
	int64		unmapped;
	int64		duplicates;
	int64		dead_letters;
	int64		batches;
	TimestampTz last_event_time;  /* 0: none yet */
	TimestampTz last_commit_time; /* 0: none yet */

	char		last_error[CDR_REASON_LENGTH];
	int			last_error_code; /* ERRCODE_...; 0: none */
	TimestampTz last_error_time; /* 0: none */
	TimestampTz stats_reset;

	char warning[CDR_REASON_LENGTH]; /* "": none */

	/* in a row, for the process that follows; not reset with the counters */
	int			failed_starts;
	int			failed_runs;
	int			failed_connects;
	TimestampTz ended_at; /* when the last process did; 0: none has */
	bool		resumed;  /* cdr_resume() was called; the worker clears it */
	CdrStuck	stuck;
} CdrWorkerStats;

/* What went wrong in a row, also in the processes before this one. */
typedef struct CdrFailures
{
	int			starts;	  /* ended in order, but before they had succeeded */
	int			runs;	  /* ended by an error, after a good start */
	int			connects; /* sessions with the broker that proved nothing */
	TimestampTz ended_at; /* when the last process did; 0: none has */
} CdrFailures;

/* Asks for shared memory and sets it up; for _PG_init. */
extern void cdr_stats_init(void);

/* Is there shared memory, that is, was the library preloaded? */
extern bool cdr_stats_available(void);

/* ERROR (55000) unless there is; for SQL functions. */
extern void cdr_stats_require(void);

/* Claims the worker's place until it exits; for the worker itself. */
extern void cdr_stats_attach(int worker);

/* What the worker that is attached reports of itself. */
extern void cdr_stats_set_state(CdrWorkerState state);

/* It goes on with its work. */
extern void cdr_stats_set_alive(void);

/* When the worker has crashed again and again, since the first of that. */
extern void cdr_stats_set_crashing_since(TimestampTz time);

/* The session has proved its worth: unhealthy_since is over. */
extern void cdr_stats_set_healthy(void);

/* Where and as whom it connects, or tried to. */
extern void cdr_stats_set_server(const char *host, const char *vhost,
								 const char *user, const char *queue);
extern void cdr_stats_set_connected(void);
extern void cdr_stats_set_disconnected(void);

/* What the broker said of the queue; -1: nothing.  Of the consumers, how many are
 * others'. */
extern void cdr_stats_set_queue(int64 backlog, int64 consumers, int64 others);

/* Events that are held, because they alone cannot be stored. */
extern void cdr_stats_set_error(const CdrReason *reason);
extern void cdr_stats_forget_error(void);
extern void cdr_stats_set_warning(const char *message);
extern void cdr_stats_set_waiting(int64 events, bool keep_others_out);

/* Statements are slow, or are not any more. */
extern void cdr_stats_set_slow(bool slow, int together, int each);

extern void cdr_stats_add_received(int64 messages);
extern void cdr_stats_add_batch(const CdrBatchResult *result);

extern CdrFailures cdr_stats_failures(void);
extern void		   cdr_stats_set_failed_starts(int failed);
extern void		   cdr_stats_set_failed_runs(int failed);
extern void		   cdr_stats_set_failed_connects(int failed);

/* Notes for all workers that cdr_resume() was called. */
extern void cdr_stats_set_resumed_all(void);

/* Was it, since the worker has last asked? */
extern bool cdr_stats_take_resumed(void);

/* Do events wait in any worker? */
extern bool cdr_stats_any_waits(void);

/* What the processes of a worker got stuck with; any worker may read and write. */
extern void cdr_stats_read_stuck(int worker, CdrStuck *copy);
extern void cdr_stats_set_stuck(int worker, const CdrStuck *stuck);

/* Copies what is known of one worker, 0 to cdr_workers - 1. */
extern void cdr_stats_read(int worker, CdrWorkerStats *copy);

/*
 * Since when a worker has not been doing what it should; 0: it has, or is
 * paused.
 */
extern TimestampTz cdr_stats_unhealthy_since(const CdrWorkerStats *stats);

/*
 * Milliseconds for which a worker that should consume has given no sign of life; 0:
 * not for longer than it may.
 */
extern long cdr_stats_silent_for(const CdrWorkerStats *stats);

/* Counters to zero, errors forgotten, for all workers. */
extern void cdr_stats_reset_all(void);

/* The name that cdr_status() shows. */
extern const char *cdr_stats_state_name(CdrWorkerState state);

#endif /* CDR_STATS_H */
