/*-------------------------------------------------------------------------
 *
 * leaf.h
 *	  An event as a leaf of a hash tree.
 *
 * With H = SHA-256; i64(t): microseconds since 1970, 8 bytes, big-endian (times
 * that do not fit, such as infinity, are the first or the last that does); lp(x):
 * the length, 4 bytes, big-endian, and the bytes, or ff ff ff ff for NULL:
 *
 *	B = H(lp(message_id) || body)
 *	C = H("cdr-content-v1\n" || salt || event_id || B || lp(message_id)
 *		|| lp(call_id) || lp(trace_id) || lp(routing_key) || lp(content_type)
 *		|| lp(headers), and lp(properties) unless that is NULL)
 *	E = "cdr-event-v1\n" || i64(event_time) || i64(received_at)
 *		|| i64(recorded_at) || lp(time_source) || lp(event_type)
 *		|| lp(tenant_id) || C
 *	leaf = H(00 || E)
 *
 * Two stages, so that what may name a person can be erased, and its digest C be
 * kept in its place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LEAF_H
#define CDR_LEAF_H

#include "base/message.h"

/* Bytes of a field; data of NULL: the field is NULL. */
typedef struct CdrField
{
	const void *data;
	size_t		length;
} CdrField;

/* The fields of a row of the log that are in its leaf. */
typedef struct CdrLeafFields
{
	TimestampTz event_time;
	TimestampTz received_at;
	TimestampTz recorded_at;
	char		time_source;
	CdrField	event_type;
	CdrField	tenant_id;

	/* what may name a person */
	pg_uuid_t		 salt;
	pg_uuid_t		 event_id;
	CdrField		 message_id;
	CdrField		 call_id;
	CdrField		 trace_id;
	CdrField		 routing_key;
	CdrField		 content_type;
	CdrField		 headers;
	CdrField		 properties;
	CdrField		 body;		  /* not NULL */
	const CdrDigest *body_digest; /* B, if that is known; else NULL */
} CdrLeafFields;

/* The digest of the content: C. */
extern void
cdr_content_digest(const CdrLeafFields *fields, CdrDigest *content);

/* The leaf, of the other fields and that. */
extern void cdr_leaf_hash(const CdrLeafFields *fields,
						  const CdrDigest *content, CdrDigest *leaf);

#endif /* CDR_LEAF_H */
