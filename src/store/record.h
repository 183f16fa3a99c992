/*-------------------------------------------------------------------------
 *
 * record.h
 *	  Records events: into the log, and exactly those that are new into calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RECORD_H
#define CDR_RECORD_H

#include "event/event.h"

/* What was recorded. */
typedef struct CdrRecorded
{
	int64 events;		/* that were new */
	int64 without_call; /* of these: shape a call, but do not say which */
	int64 without_time; /* of these: have no time of their own, or one that
						 * cannot be read */
} CdrRecorded;

/*
 * Records understood, sorted events through an open writer (writer.h); adds to
 * *recorded what was new.  With all_new, none of them is thought to be recorded,
 * and if one is, that is an ERROR (unique_violation).
 */
extern void cdr_record_events(CdrEvent **events, int count, bool all_new,
							  CdrRecorded *recorded);

#endif /* CDR_RECORD_H */
