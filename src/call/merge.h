/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  The merge: from the set of a call's events to one call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MERGE_H
#define CDR_MERGE_H

#include "event/event.h"

/*
 * What a set of events says of their call: the stored columns of a row of
 * calls.  A time of CDR_NO_TIME or a NULL string is an SQL NULL.  Strings
 * belong to the events.
 */
typedef struct CdrCall
{
	const char *call_id;

	/* the earliest call.started */
	TimestampTz start_time;
	pg_uuid_t	started_event_id;
	const char *caller_number;
	const char *callee_number;
	const char *direction;
	const char *started_tenant_id;

	/* the earliest call.answered */
	TimestampTz answer_time;

	/* the earliest call.ended */
	TimestampTz end_time;
	pg_uuid_t	ended_event_id;
	const char *hangup_cause;
	const char *hangup_source;

	/* the latest user.identified.for_call or user.created.for_call */
	TimestampTz identified_time;
	pg_uuid_t	identified_event_id;
	const char *identified_tenant_id;

	/* of that one; without one, of the earliest call.started */
	const char *user_id;
	bool		has_contact_id;
	int64		contact_id;

	/* the latest call.recording.available */
	TimestampTz recording_time;
	pg_uuid_t	recording_event_id;
	const char *recording_url;

	int64		event_count;
	TimestampTz first_event_time;
	TimestampTz last_event_time;
} CdrCall;

/* The call of no events yet. */
extern void cdr_call_init(CdrCall *call, const char *call_id);

/* Adds one event, which must be of that call and not added before. */
extern void cdr_call_add(CdrCall *call, const CdrEvent *event);

/*
 * How an ended call went: "ANSWERED", "BUSY", "FAILED", "CANCELED" or
 * "NO_ANSWER".  cause may be NULL; it is compared without regard to case.
 */
extern const char *cdr_call_disposition(bool answered, const char *cause);

#endif /* CDR_MERGE_H */
