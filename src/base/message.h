/*-------------------------------------------------------------------------
 *
 * message.h
 *	  What travels between the rooms: one message as it arrived, not yet
 *	  understood.  The broker and the SQL functions make it, event.c reads
 *	  it, dead_letters.c keeps it when it cannot become an event.
 *
 * All pointers belong to whoever made the message (for the worker: the memory
 * context of the batch) and are valid as long as the batch is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MESSAGE_H
#define CDR_MESSAGE_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* "no such time": never the time of an event (it is the value of -infinity) */
#define CDR_NO_TIME DT_NOBEGIN

/* The largest that cdr_service.max_event_size can be. */
#define CDR_EVENT_SIZE_MAX (16 * 1024 * 1024)

/* A SHA-256; the first 128 bits of that of a message are its identity. */
typedef struct CdrDigest
{
	unsigned char data[32];
} CdrDigest;

typedef struct CdrMessage
{
	const char *body;		 /* as on the wire; not NUL-terminated */
	size_t		body_length; /* bytes held at body */
	uint64		body_size;	 /* bytes on the wire; above body_length when only
							  * the start of a giant was kept */
	const pg_uuid_t *id;	 /* identity, where it is known already (a giant, a
							  * recorded event); NULL: to be computed */

	TimestampTz
		 known_time; /* of a recorded event: its time, and who says so */
	char known_time_source; /* as in its row; 0: not known yet */

	const char *routing_key; /* printable NUL-terminated UTF-8, or NULL */
	const char *message_id;	 /* AMQP message-id, raw bytes, or NULL */
	size_t		message_id_length;

	/*
	 * All AMQP properties, headers too, as they came: the flags of a content
	 * header and what is behind them.  NULL if there are none, or the message
	 * came by SQL or out of a table.  base/properties.h makes JSON of them,
	 * where it is to be stored and not before: that takes several times the
	 * room.
	 */
	const char *properties;
	size_t		properties_length;

	/* of a message that came by SQL or out of a table: the same as JSON, or
	 * NULL.  To be asked for with cdr_headers_json(), cdr_properties_json(). */
	const char *headers;
	const char *other_properties;

	/*
	 * Of one that came in an array, with others: the path of that, and what is
	 * recorded of its place there, as JSON; NULL: it came alone, or its place is
	 * among the other properties already.  The body is JSON then, whatever the
	 * properties say, which are those of the message that all came in.
	 */
	const char *array;
	const char *place;

	/* why it is no event, whatever it says; NULL: it is to be read */
	const struct CdrReason *refused;

	/* more AMQP properties, and the exchange: as routing_key, NULL if absent */
	const char *content_type;
	const char *content_encoding;
	const char *type;
	const char *exchange;

	/* of a row that came out of a table: the name of the mapping that it is read
	 * by, whatever that matches; NULL: by the first that matches */
	const char *mapping;

	TimestampTz property_time; /* AMQP timestamp, or CDR_NO_TIME */
	TimestampTz received_at;   /* when we got it */
	bool		redelivered;   /* the broker has delivered it before */
	bool   of_function; /* a function of this extension made it (a correction,
								 * the closing of a call): it is from nobody else */
	int64  delivery_count; /* how often, if its queue counts; else 0 */
	size_t held; /* bytes that its maker holds for what it points to */
} CdrMessage;

/* How many times as long as the list of properties JSON of it is, at most. */
#define CDR_JSON_FACTOR 7

/*
 * Bytes of memory that a message takes, with all that it points to, and with
 * what its properties become when it is stored.
 */
static inline size_t
cdr_message_size(const CdrMessage *message)
{
	return sizeof(CdrMessage) + message->held +
		   CDR_JSON_FACTOR * message->properties_length;
}

#endif /* CDR_MESSAGE_H */
