/*-------------------------------------------------------------------------
 *
 * log_event.h
 *	  An event, read again from the row that records it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LOG_EVENT_H
#define CDR_LOG_EVENT_H

#include "call/merge.h"
#include "store/cursor.h"

/* One of the properties. */
#define CDR_LOG_PROPERTY(name) \
	" pg_catalog.json_extract_path_text(e.properties, '" name "')"

/* Has it no content, because that was erased? */
#define CDR_LOG_IS_ERASED           \
	"(e.content_digest IS NOT NULL" \
	" AND e.payload IS NULL AND e.body IS NULL)"

/* The columns of a query that reads events, of call_events AS e. */
#define CDR_LOG_EVENT                                                                                               \
	"e.call_id, e.event_time, e.event_id, e.time_source,"                                                           \
	" e.routing_key, e.payload, e.body, e.content_type,"                                                            \
	" e.headers, e.properties, e.mapping, e.message_id," CDR_LOG_PROPERTY("content_encoding") "," CDR_LOG_PROPERTY( \
		"type") "," CDR_LOG_PROPERTY("exchange") "," CDR_LOG_PROPERTY("each', 'path") ", " CDR_LOG_IS_ERASED

/* When an event was recorded, as far as that is known. */
#define CDR_RECORDED_AT "COALESCE(e.recorded_at, e.received_at)"

/* Where they stand, and what may follow. */
enum
{
	CDR_LOG_CALL_ID = 1,
	CDR_LOG_EVENT_TIME,
	CDR_LOG_EVENT_ID,
	CDR_LOG_TIME_SOURCE,
	CDR_LOG_ROUTING_KEY,
	CDR_LOG_PAYLOAD,
	CDR_LOG_BODY,
	CDR_LOG_CONTENT_TYPE,
	CDR_LOG_HEADERS,
	CDR_LOG_PROPERTIES,
	CDR_LOG_MAPPING,
	CDR_LOG_MESSAGE_ID,
	CDR_LOG_CONTENT_ENCODING,
	CDR_LOG_TYPE,
	CDR_LOG_EXCHANGE,
	CDR_LOG_ARRAY,
	CDR_LOG_ERASED,
	CDR_LOG_NEXT
};

/* A text of the row in hand, in the current context; NULL: it is null. */
extern char *cdr_log_text(const CdrCursor *cursor, int column);

/*
 * The message that the row in hand records, in the current context, as far as the
 * log has it: without its identity and its times.  Is its body text of JSON?
 */
extern CdrMessage *cdr_log_message(const CdrCursor *cursor, bool *is_json);

/*
 * The event that the row in hand records, in the current context.  What
 * identifies and places it is taken from the row; what it says, from its
 * payload, else from its body.  One that was erased says nothing, and has a reason.
 */
extern CdrEvent *cdr_log_event(const CdrCursor *cursor, const char *call_id);

/* The same, with notes of how it is read (event/explain.h); NULL: without. */
extern CdrEvent *
cdr_log_event_noted(const CdrCursor *cursor, const char *call_id,
					struct CdrNotes *notes);

/* Has the call strings or corrections that it did not have before? */
extern bool
cdr_call_has_new_strings(const CdrCall *call, const CdrCall *before);

/* Copies the strings of a call, and its corrections. */
extern void cdr_call_copy_strings(CdrCall *call, MemoryContext into);

#endif /* CDR_LOG_EVENT_H */
