/*-------------------------------------------------------------------------
 *
 * protobuf.h
 *	  The Protobuf form of events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PROTOBUF_H
#define CDR_PROTOBUF_H

#include "event/fields.h"

/*
 * Reads the message of an event.  Its type is what it says itself; where it
 * says none, type (the routing key), which may be NULL.  Returns NULL with
 * *fields filled in, or why it is no event, with *fields left as it was.
 */
extern const CdrReason *cdr_protobuf_read(const char *body, size_t length,
										  const char *type, CdrFields *fields);

/*
 * Which message the body holds: that of a type at *layout, "" for a
 * GenericEvent, NULL if no type is known.  Returns NULL, or why it is no
 * Protobuf.
 */
extern const CdrReason *
cdr_protobuf_layout(const char *body, size_t length, const char *type,
					const char **layout);

#endif /* CDR_PROTOBUF_H */
