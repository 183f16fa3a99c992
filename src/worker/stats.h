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

#include "base/reason.h"

#define CDR_HOST_LENGTH	 256
#define CDR_QUEUE_LENGTH 256

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
	CDR_BACKING_OFF,
	CDR_STOPPED
} CdrWorkerState;

/* A copy of what shared memory holds about one worker. */
typedef struct CdrWorkerStats
{
	CdrWorkerState state;
	int			   pid; /* 0: no process */
	TimestampTz	   since;
	char		   host[CDR_HOST_LENGTH]; /* "": not connected */
	char		   queue[CDR_QUEUE_LENGTH];

	int64		connects;
	int64		received;
	int64		recorded;
	int64		duplicates;
	int64		dead_letters;
	int64		batches;
	int64		waiting;		  /* events that are held */
	TimestampTz last_event_time;  /* 0: none yet */
	TimestampTz last_commit_time; /* 0: none yet */

	char		last_error[CDR_REASON_LENGTH];
	int			last_error_code; /* ERRCODE_...; 0: none */
	TimestampTz last_error_time; /* 0: none */
	TimestampTz stats_reset;

	char warning[CDR_REASON_LENGTH]; /* "": none */

	int	 failed_starts; /* in a row; not reset with the counters */
	bool resumed;		/* cdr_resume() was called; the worker clears it */
} CdrWorkerStats;

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
extern void cdr_stats_set_connected(const char *host, const char *queue);
extern void cdr_stats_set_disconnected(void);
extern void cdr_stats_set_error(const CdrReason *reason);
extern void cdr_stats_set_warning(const char *message);
extern void cdr_stats_set_waiting(int64 events);
extern void cdr_stats_add_received(int64 messages);
extern void
cdr_stats_add_batch(int64 recorded, int64 duplicates, int64 dead_letters,
					TimestampTz last_event, TimestampTz committed);

/* How many starts in a row ended in order, but before they had succeeded. */
extern int cdr_stats_failed_starts(void);

/* The start succeeded, or those before it are to be forgotten. */
extern void cdr_stats_forget_failed_starts(void);

/* Notes for all workers that cdr_resume() was called. */
extern void cdr_stats_set_resumed_all(void);

/* Was it, since the worker has last asked? */
extern bool cdr_stats_take_resumed(void);

/* Copies what is known of one worker, 0 to cdr_workers - 1. */
extern void cdr_stats_read(int worker, CdrWorkerStats *copy);

/* Counters to zero, errors forgotten, for all workers. */
extern void cdr_stats_reset_all(void);

/* The name that cdr_status() shows. */
extern const char *cdr_stats_state_name(CdrWorkerState state);

#endif /* CDR_STATS_H */
