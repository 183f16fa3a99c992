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
#include "event/fact.h"
#include "event/reading.h"

/*
 * Where the time of an event comes from.  By the last of these, the log tells the
 * events that functions of this extension make from all that came from outside,
 * whatever their bodies say.
 */
#define CDR_TIME_OF_BODY	 'b'
#define CDR_TIME_OF_PROPERTY 'p' /* the AMQP property timestamp */
#define CDR_TIME_OF_RECEIPT	 'r'
#define CDR_TIME_OF_FUNCTION 'f'

/*
 * An event that was understood, or the reason why it was not.  Strings are
 * NUL-terminated UTF-8, NULL where the event does not say (an empty string on
 * the wire says nothing either), and allocated in the context that was
 * current at cdr_event_parse().
 */
typedef struct CdrEvent
{
	const CdrMessage *message;
	pg_uuid_t		  id; /* identity; valid also after a failure, then
							   * that of the bytes */
	CdrDigest digest;	  /* of the bytes; id is its first half, if the event
							   * says nothing else that identifies it.  Zeros
							   * where the message brings its identity */

	const CdrReason *reason; /* why it is no event; NULL: it is one */

	/* what read it, if not the form itself; belongs to the set of mappings */
	const CdrMappingId *mapping;

	bool   is_json; /* the body is JSON text; valid if it is an event */
	bool   needs_properties; /* it cannot be read again without all of them */
	size_t unpacked; /* bytes that were inside of the body, if that was packed;
					  * the strings are of them, and may take as many */

	TimestampTz time;
	char		time_source; /* who says so: CDR_TIME_OF_... */
	bool		time_unread; /* the body has one that cannot be read */
	const char *call_id;	 /* "" when it belongs to no call; never NULL */
	const char *type;
	const char *trace_id;
	const char *tenant_id;

	/* what it says of its call; none: it is only logged and counted */
	int					nfacts;
	const CdrEventFact *facts;

	/* a correction, or one that is withdrawn: CDR_NCORRECTABLE of them */
	const CdrSaid *corrected;

	/* whoever records it fills these in: when, and its leaf, if that is wanted */
	TimestampTz recorded_at;
	CdrDigest	leaf;

	/* the closing of a call that nobody ended: when it ended */
	TimestampTz closed_at;

	/* the log has no content of it; NULL: it has */
	struct CdrErasure *erased;
} CdrEvent;

/* What stands for the content of an event that was erased. */
typedef struct CdrErasure
{
	const CdrEvent
			 *as_came; /* what is not stored of it; NULL: nobody has it */
	CdrDigest content; /* filled in by whoever stores it */
} CdrErasure;

/* What it says of that kind; NULL: nothing. */
static inline const CdrEventFact *
cdr_event_fact(const CdrEvent *event, CdrEventKind kind)
{
	for (int i = 0; i < event->nfacts; i++)
	{
		if (event->facts[i].kind == kind)
			return &event->facts[i];
	}
	return NULL;
}

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
 * May it come again in other bytes, so with another time as well?  Then it is
 * known by what the message, or a mapping, says that identifies it.
 */
static inline bool
cdr_event_brings_identity(const CdrEvent *event)
{
	return event->message->id == NULL && event->erased == NULL &&
		   memcmp(event->id.data, event->digest.data, UUID_LEN) != 0;
}

/*
 * Is it known by call and identity alone, so that these are kept as a key of their
 * own?  Where its time may be another, its row is not found by that.  A call knows
 * from when to when it has events, and is asked for what brings its identity; of no
 * call, nobody knows.
 */
static inline bool
cdr_event_is_keyed(const CdrEvent *event)
{
	return cdr_event_lacks_lasting_time(event) ||
		   (event->call_id[0] == '\0' && cdr_event_brings_identity(event));
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
