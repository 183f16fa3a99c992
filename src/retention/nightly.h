/*-------------------------------------------------------------------------
 *
 * nightly.h
 *	  Retention at an hour of the day: when, and what came of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_NIGHTLY_H
#define CDR_NIGHTLY_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"

#include "base/reason.h"

/* What is known of the runs in this database. */
typedef struct CdrNightly
{
	uint32		version;
	TimeLineID	timeline;	   /* that the server was on */
	int32		hour;		   /* that a process looks out for */
	TimestampTz watched_since; /* for that hour */
	TimestampTz begun_at;	   /* the last run; 0: none yet */
	TimestampTz failing_since; /* 0: the last one that ended did not fail */
	bool		is_running;	   /* or was, when its process ended */
	int			sqlerrcode;	   /* of the last one that failed */
	char		message[CDR_REASON_LENGTH];
	char		hint[CDR_REASON_LENGTH]; /* "": none */
	uint32		crc;					 /* of all that stands before */
} CdrNightly;

/* For the process that looks at the clock: has the hour come, since it looked last? */
extern bool cdr_nightly_is_due(void);

/* A run begins, and has failed. */
extern void cdr_nightly_begin(void);
extern void cdr_nightly_fail(const CdrReason *reason);

/* A run has succeeded, whoever has called it. */
extern void cdr_nightly_succeed(void);

/* False: nothing is known.  Not during recovery. */
extern bool cdr_nightly_read(CdrNightly *nightly);

#endif /* CDR_NIGHTLY_H */
