/*-------------------------------------------------------------------------
 *
 * event.h
 *	  The typed event, and how bytes become one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EVENT_H
#define CDR_EVENT_H

#include "base/message.h"
#include "base/reason.h"
#include "event/correction.h"

/* Call-IDs are "up to 255 bytes" by the contract of the wire. */
#define CDR_CALL_ID_MAX 255

typedef enum CdrEventKind
{
	CDR_OTHER = 0,
	CDR_CALL_STARTED,
	CDR_CALL_RINGING,
	CDR_CALL_ANSWERED,
	CDR_CALL_ENDED,
	CDR_USER_IDENTIFIED,
	CDR_RECORDING_AVAILABLE,
	CDR_CALL_CORRECTED,
	CDR_CALL_CLOSED
} CdrEventKind;

/*
 * Where the time of an event comes from.  By the last of these, the log tells the
 * events that functions of this extension make from all that came from outside,
 * whatever their bodies say.
 */
#define CDR_TIME_OF_BODY	 'b'
#define CDR_TIME_OF_PROPERTY 'p' /* the AMQP property timestamp */
#define CDR_TIME_OF_RECEIPT	 'r'
#define CDR_TIME_OF_FUNCTION 'f'

/* What the settings say about reading events. */
typedef struct CdrEventOptions
{
	size_t max_event_size;	 /* bytes; a larger body is not parsed */
	int	   extension_digits; /* longest internal extension; 0: none */
} CdrEventOptions;

/*
 * An event that was understood, or the reason why it was not.  Strings are
 * NUL-terminated UTF-8, NULL where the event does not say (an empty string on
 * the wire says nothing either), and allocated in the context that was
 * current at cdr_event_parse().
 */
typedef struct CdrEvent
{
	const CdrMessage *message;
	pg_uuid_t		  id;	  /* identity; valid also after a failure */
	CdrDigest		  digest; /* all of which id is the first half; zeros where
							   * the message brings its identity */

	const CdrReason *reason; /* why it is no event; NULL: it is one */

	bool is_json;		   /* the body is JSON text; valid if it is an event */
	bool needs_properties; /* it cannot be read again without all of them */

	CdrEventKind kind;
	TimestampTz	 time;
	char		 time_source; /* who says so: CDR_TIME_OF_... */
	bool		 time_unread; /* the body has one that cannot be read */
	const char	*call_id;	  /* "" when it belongs to no call; never NULL */
	const char	*type;
	const char	*trace_id;
	const char	*tenant_id;

	/* call.answered; call.started of a web session: answered at that time */
	bool answers;

	/* call.started */
	const char *caller_number;
	const char *callee_number;
	const char *direction;
	const char *trunk;

	/* call.started (the dialplan's match), user.identified.for_call */
	const char *user_id;
	bool		has_contact_id;
	int64		contact_id;

	/* call.ended */
	const char *hangup_cause;
	const char *hangup_source;
	int			sip_status; /* 0: none */

	/* call.recording.available */
	const char *recording_url;

	/* a correction, or one that is withdrawn: CDR_NCORRECTABLE of them */
	const CdrSaid *corrected;

	/* the closing of a call that nobody ended: when it ended */
	TimestampTz closed_at;
} CdrEvent;

/* Did it come from outside, rather than from a function of this extension? */
static inline bool
cdr_event_from_outside(const CdrEvent *event)
{
	return event->time_source != CDR_TIME_OF_FUNCTION;
}

/*
 * May the same event come again with another time?  What stands in its body
 * stays.
 */
static inline bool
cdr_event_lacks_lasting_time(const CdrEvent *event)
{
	return event->time_source == CDR_TIME_OF_PROPERTY ||
		   event->time_source == CDR_TIME_OF_RECEIPT;
}

/*
 * Reads a message into *event.  Returns false, with the reason set, for a
 * message that is no event; never throws for what the message holds
 * (out of memory is still an ERROR of the server).
 */
extern bool cdr_event_parse(const CdrMessage	  *message,
							const CdrEventOptions *options, CdrEvent *event);

/*
 * The same for a body that is known to be JSON, as a value of SQL's type json
 * is: no other form is tried.
 */
extern bool
cdr_event_parse_json(const CdrMessage *message, const CdrEventOptions *options,
					 CdrEvent *event);

#endif /* CDR_EVENT_H */
