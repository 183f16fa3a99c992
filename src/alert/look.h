/*-------------------------------------------------------------------------
 *
 * look.h
 *	  A look at the alerts, for whoever asks whether all is well.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ALERT_LOOK_H
#define CDR_ALERT_LOOK_H

#include "base/reason.h"

/* What was seen; texts are palloc'd. */
typedef struct CdrAlertLook
{
	CdrReasonBuffer why; /* of an error */
	int64			rules;
	int64			open;	   /* alerts, */
	int64			critical;  /* and of these */
	int64			late;	   /* rules that were not evaluated for long, */
	char		   *latest;	   /* one of them, */
	char		   *evaluated; /* and up to when it was; NULL: never */
	int64			left_out;  /* subjects of which no alert was raised */
} CdrAlertLook;

/*
 * Looks which alerts are open, and whether rules are evaluated.  As the role that
 * writes, and without waiting for long: false, with the reason, after an error.
 */
extern bool cdr_alerts_look(CdrAlertLook *look);

#endif /* CDR_ALERT_LOOK_H */
