/*-------------------------------------------------------------------------
 *
 * made_event.h
 *	  Events that functions of this extension make: who, when, why.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MADE_EVENT_H
#define CDR_MADE_EVENT_H

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "event/event.h"

/* Who makes them, and why. */
typedef struct CdrMaker
{
	const char *current_user;
	const char *session_user;
	const char *reason;
} CdrMaker;

/*
 * Whoever calls an SQL function, whose argument of that number is the reason;
 * ERROR (22004, 22023) if it is NULL or says nothing.
 */
extern CdrMaker cdr_maker(FunctionCallInfo fcinfo, int argument);

/* ERROR (22004) for an argument that is NULL. */
extern void
cdr_require_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * The body of an event: what every such event says; the caller appends members,
 * each with a comma before it; then the event is made of it, in the current
 * context.  ERROR if it is larger than an event may be.
 */
extern void cdr_made_begin(StringInfo body, const char *type,
						   const char *call_id, TimestampTz time);
extern void
cdr_made_end(StringInfo body, const CdrMaker *maker, CdrEvent *event);

/* Appends a time, or a value of a column that can be corrected, as JSON. */
extern void cdr_made_append_time(StringInfo body, TimestampTz time);
extern void
cdr_said_append(StringInfo body, CdrCorrectableType type, const CdrSaid *said);

/*
 * Can a body say that time?  The years 1 to 9999, but not what stands for a time
 * that was never set.
 */
extern bool cdr_made_can_say(TimestampTz time);

/* Records them through an open writer; ERROR if one does not get into the log. */
extern void cdr_made_record(CdrEvent *events, int count);

#endif /* CDR_MADE_EVENT_H */
