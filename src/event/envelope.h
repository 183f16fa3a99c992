/*-------------------------------------------------------------------------
 *
 * envelope.h
 *	  What the envelope of a CloudEvent adds to what its data say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ENVELOPE_H
#define CDR_ENVELOPE_H

#include "event/cloudevents.h"

/* What the event is known by, in the current context. */
extern const pg_uuid_t *cdr_cloudevent_identity(const CdrCloudEvent *event);

/* Adds what the envelope says to what its data say. */
extern void cdr_cloudevent_add(const CdrCloudEvent *event, CdrFields *fields);

#endif /* CDR_ENVELOPE_H */
