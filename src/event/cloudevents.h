/*-------------------------------------------------------------------------
 *
 * cloudevents.h
 *	  CloudEvents: what the envelope says of an event, and where its data are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CLOUDEVENTS_H
#define CDR_CLOUDEVENTS_H

#include "event/content.h"
#include "event/fields.h"

/*
 * An envelope.  Strings are NUL-terminated UTF-8 in the current context, NULL
 * where it does not say, an empty string included; data point into the content,
 * or are in the current context.
 */
typedef struct CdrCloudEvent
{
	const char *type;
	const char *source;
	const char *id;
	const char *subject;
	const char *call_id;
	const char *time;
	bool		time_unread; /* there is one, and it is no text */
	const char *traceparent;
	bool		is_plain_trace; /* of a header without a prefix */
	const char *prefix; /* of the names of its headers; NULL: it is the body */
	const char *data_place; /* of the data in the body, as a JSON pointer */
	CdrContent	data;		/* of length 0: nothing that could be an event */
} CdrCloudEvent;

/* Does the content type say that the body is a CloudEvent, or a batch? */
extern bool cdr_cloudevent_labelled(const CdrContent *content);

/*
 * Reads an envelope that is the body (structured mode).  Returns NULL, or why
 * it is none.
 */
extern const CdrReason *
cdr_cloudevent_of_body(const CdrContent *content, CdrCloudEvent *event);

/*
 * Reads an envelope that is in the headers (binary mode); false: there is none.
 * *reason is NULL then, or why an envelope cannot be read.
 */
extern bool
cdr_cloudevent_of_headers(const CdrContent *content, CdrCloudEvent *event,
						  const CdrReason **reason);

#endif /* CDR_CLOUDEVENTS_H */
