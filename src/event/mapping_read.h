/*-------------------------------------------------------------------------
 *
 * mapping_read.h
 *	  Reads a message by the mapping that matches it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_READ_H
#define CDR_MAPPING_READ_H

#include "event/mapping.h"

/*
 * What there is to say against a mapping before the body is read: exchange, routing
 * key or content type ("another exchange"), or that it is for what came in an array,
 * or alone; NULL: nothing.
 */
extern const char *
cdr_mapping_mismatch(const CdrMapping *mapping, const CdrMessage *message);

/* The same without arrays, of a message that may be one. */
extern const char *cdr_mapping_envelope_mismatch(const CdrMapping *mapping,
												 const CdrMessage *message);

/*
 * Reads a JSON object, which is the content of that message, in one parse: by
 * the first mapping that matches, else natively, as cdr_json_read() does.
 * Returns NULL with *fields filled in, or why it is no event.
 *
 * By a mapping, fields has:
 *	mapping				which one: to be recorded with the event
 *	type, trace_id, call_id, tenant_id
 *						as it says; no type: the routing key's business
 *	time, time_unread	CDR_NO_TIME if it does not say, and whether there is one
 *						that cannot be read
 *	facts, nfacts		at most one of each kind.  Numbers are out of their URIs,
 *						the direction is derived.  A fact that has no time of its
 *						own has CDR_NO_TIME: that of the event, wherever that
 *						comes from (event.c); if from the receipt, as a guess
 *	identity			NULL: that of the bytes; else what the event is known by,
 *						if it comes again in other bytes
 *	is_cloudevent, needs_properties
 *						see fields.h
 * and nothing else.  Values of a repeated key: the last counts.
 */
extern const CdrReason *
cdr_mapping_read(const CdrMappingUse *use, const CdrMessage *message,
				 int extension_digits, const char *text, size_t length,
				 CdrFields *fields);

#endif /* CDR_MAPPING_READ_H */
