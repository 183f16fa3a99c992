/*-------------------------------------------------------------------------
 *
 * protobuf_json.h
 *	  The Protobuf form of events, shown as JSON to people.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PROTOBUF_JSON_H
#define CDR_PROTOBUF_JSON_H

#include "lib/stringinfo.h"

#include "base/reason.h"

/*
 * Appends the message of an event, of any type, as a JSON object without
 * \u0000.  type is that of an event that does not say its own (the routing
 * key); NULL: not known.  Returns NULL, or why the body is no Protobuf, with
 * nothing appended.
 *
 * The form is Protobuf's own JSON (names in camelCase, in the order of their
 * numbers; times as RFC 3339), with these differences:
 *	- a field that is not known, or has another wire type than it should, has
 *	  its number for a name: a varint is an unsigned number, fixed32 and
 *	  fixed64 are strings of hexadecimal digits ("0x0000000a"), a group is an
 *	  object, what has a length is text if it looks like that; all that there
 *	  are of a number stand in an array, if there are several;
 *	- bytes, and text that is not UTF-8 or holds a NUL, are hexadecimal digits
 *	  as the type bytea has them ("\\xff00"), and so is a message within the
 *	  event that is none;
 *	- payload_json is the object that it holds, if it is one, not a string;
 *	- a Timestamp of nothing, which means that it was not set, is null; one
 *	  beyond the years 0001 to 9999 is an object of seconds and nanos.
 *
 * Memory: some 80 bytes for each field, of which two bytes can be one, in the current context.  Time: n log n
 * for n fields, times the depth of groups.  Serves interrupts.
 */
extern const CdrReason *cdr_protobuf_json(const char *body, size_t length,
										  const char *type, StringInfo out);

#endif /* CDR_PROTOBUF_JSON_H */
