/*-------------------------------------------------------------------------
 *
 * fields.h
 *	  What a body says, in whatever form: the forms fill this in, event.c
 *	  makes the typed event of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FIELDS_H
#define CDR_FIELDS_H

#include "base/message.h"
#include "base/reason.h"
#include "event/fact.h"

/*
 * Strings are NUL-terminated UTF-8 in the current context; NULL (of a number
 * 0, of the time CDR_NO_TIME) where the body does not say, an empty string
 * included.  A form fills in what it finds, whatever the type of the event.
 */
typedef struct CdrFields
{
	const char *type;
	const char *trace_id;
	const char *call_id;
	const char *tenant_id;
	TimestampTz time;
	bool		time_unread; /* there is one that cannot be read */

	/* who calls whom, as SIP header values or URIs */
	const char *from;
	const char *to;
	const char *direction;
	const char *trunk;

	/* whom the dialplan knows, and whom the event names itself */
	const char *matched_user_id;
	int64		matched_contact_id;
	const char *user_id;
	int64		contact_id;

	/* how it ended */
	const char *reason;
	const char *hangup_source;
	int64		sip_status;

	const char *recording_url;

	/* by a mapping: which one, and what it makes of the event instead of the
	 * fields above, from that of who calls whom on.  A fact whose time is
	 * CDR_NO_TIME has that of the event. */
	const CdrMappingId *mapping; /* NULL: the form itself read it */
	int					nfacts;
	CdrEventFact	   *facts;

	/* what it says that identifies it; NULL: nothing but all of its bytes do */
	const pg_uuid_t *identity;

	/* what is noted down of all this; NULL: nobody wants to know (notes.h) */
	struct CdrNotes *notes;

	bool is_cloudevent; /* JSON with the attributes that make it an envelope */
	bool is_json;		/* the whole body is JSON text, not what is in it */
	bool needs_properties; /* more of them than the routing key, the content
							* type and the headers were needed to read it */
} CdrFields;

/*
 * A reason in the current context, for a form to return; the message must be
 * there, too.
 */
extern const CdrReason *cdr_no_event(int sqlerrcode, const char *message);

#endif /* CDR_FIELDS_H */
