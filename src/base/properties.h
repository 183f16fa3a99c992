/*-------------------------------------------------------------------------
 *
 * properties.h
 *	  The AMQP properties of a message: the list as it came, and as JSON.
 *
 * Plain C over bytes that nobody vouches for, without librabbitmq.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PROPERTIES_H
#define CDR_PROPERTIES_H

#include "base/message.h"

/* Bytes of somebody else's; start is NULL if there are none. */
typedef struct CdrBytes
{
	const uint8 *start;
	size_t		 length;
} CdrBytes;

typedef struct CdrProperties
{
	CdrBytes content_type;
	CdrBytes content_encoding;
	CdrBytes headers; /* what is in the table, as the publisher made it */
	CdrBytes delivery_mode;
	CdrBytes priority;
	CdrBytes correlation_id;
	CdrBytes reply_to;
	CdrBytes expiration;
	CdrBytes message_id;
	CdrBytes timestamp;
	CdrBytes type;
	CdrBytes user_id;
	CdrBytes app_id;
	CdrBytes cluster_id;
} CdrProperties;

/*
 * Finds the properties in a list: the flags of a content header and what comes
 * behind them.  They point into the list.  False if it is cut short.
 */
extern bool cdr_properties_parse(const void *list, size_t length,
								 CdrProperties *properties);

/* The timestamp, as the number that it is; 0 if there is none. */
extern uint64 cdr_properties_timestamp(const CdrProperties *properties);

/* How often a queue that counts has delivered the message before, else 0. */
extern int64 cdr_properties_delivery_count(const CdrProperties *properties);

/*
 * The headers of a message as JSON, and the properties that have no column of
 * their own; NULL if there are none.  In the current memory context; at most
 * CDR_JSON_FACTOR times as long as the list, and some bytes.
 */
extern char *cdr_headers_json(const CdrMessage *message);
extern char *cdr_properties_json(const CdrMessage *message);

/*
 * The same with the exchange and the content encoding: what the log has no
 * columns for, and a message is read by.
 */
extern char *cdr_needed_properties_json(const CdrMessage *message);

/* Has a message headers?  Costs next to nothing: their flag is in the first byte. */
static inline bool
cdr_has_headers(const CdrMessage *message)
{
	return message->headers != NULL || (message->properties_length > 0 &&
										(message->properties[0] & 0x20) != 0);
}

#endif /* CDR_PROPERTIES_H */
