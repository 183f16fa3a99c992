/*-------------------------------------------------------------------------
 *
 * check.h
 *	  The alert rules, evaluated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CHECK_H
#define CDR_CHECK_H

#include "datatype/timestamp.h"

#include "base/reason.h"

/* Bytes of the name of a rule, with its end. */
#define CDR_ALERT_NAME_SIZE 64

/* Up to when events have come. */
typedef struct CdrAlertClock
{
	TimestampTz time;		 /* 0: not known */
	bool		is_complete; /* none are to come any more */
} CdrAlertClock;

/* All rules, one after the other: where a worker is with them. */
typedef struct CdrAlertRound
{
	bool is_under_way;
	char rule[CDR_ALERT_NAME_SIZE]; /* the last one; "": none yet */
	bool is_behind;					/* a rule has more to do at once */
	bool has_failed;
} CdrAlertRound;

/*
 * Evaluates all rules in the caller's transaction, as the role that writes.
 * Returns how many alerts were raised or cleared; -1 if another session is at it.
 */
extern int cdr_alerts_check(const CdrAlertClock *clock);

/*
 * Begins a round, or goes on with it by one rule, in a short transaction of its own;
 * for the worker.  False, with the reason, if that failed, which is logged once; the
 * round goes on with the next rule.
 */
extern bool cdr_alerts_turn(CdrAlertRound *round, const CdrAlertClock *clock,
							CdrReasonBuffer *why);

#endif /* CDR_CHECK_H */
