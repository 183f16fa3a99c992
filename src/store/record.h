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
	int64 without_call; /* of these: shape a call, but do not say which, and
						 * no mapping is to blame */
	int64 without_time; /* of these: have no time of their own, or one that
						 * cannot be read */
	int64 unmapped;		/* of these: read by a mapping, and name no call */
} CdrRecorded;

/* Does the event shape a call, but does not say which? */
static inline bool
cdr_event_lacks_call(const CdrEvent *event)
{
	return event->nfacts > 0 && event->call_id[0] == '\0';
}

/* Was it read by a mapping, which found no call in it? */
static inline bool
cdr_event_is_unmapped(const CdrEvent *event)
{
	return event->mapping != NULL && event->call_id[0] == '\0';
}

/* Has it no time of its own, or one that cannot be read? */
static inline bool
cdr_event_lacks_time(const CdrEvent *event)
{
	return event->time_source == CDR_TIME_OF_RECEIPT || event->time_unread;
}

/* What is thought of events before it is looked up. */
typedef enum CdrNovelty
{
	/* those that came before are known for such (call_events.h), and so are calls
	 * that have a row (calls.h); else that is an ERROR (unique_violation) */
	CDR_MOSTLY_NEW,
	/* they may be new, all of them, which is tried */
	CDR_LIKELY_NEW,
	/* some came before */
	CDR_PARTLY_NEW
} CdrNovelty;

/*
 * Records understood, sorted events through an open writer (writer.h); adds to
 * *recorded what was new.
 */
extern void cdr_record_events(CdrEvent **events, int count, CdrNovelty novelty,
							  CdrRecorded *recorded);

#endif /* CDR_RECORD_H */
