/*-------------------------------------------------------------------------
 *
 * table_columns.h
 *	  The columns of the tables but for calls that this library writes,
 *	  once: for the statements' sake those of calls stand in call/columns.h.
 *
 * COLUMN(name, type, comment), in the order of the table.  columns.awk reads this
 * file, too: so each column stands on a line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TABLE_COLUMNS_H
#define CDR_TABLE_COLUMNS_H

#include "catalog/pg_type.h"

/* clang-format off */

#define CDR_LOG_COLUMNS(COLUMN) \
	COLUMN(event_time, TIME_ALWAYS, "when it happened: the time in the body, else the AMQP timestamp, else the time of receipt") \
	COLUMN(received_at, TIME_ALWAYS, "when the service received it") \
	COLUMN(recorded_at, TIME, "when it was recorded, in the order in which events were; NULL: somebody else wrote the row") \
	COLUMN(event_id, UUID_ALWAYS, "identity: the first 128 bits of SHA-256 over message-id and body, or over source and id of a CloudEvent") \
	COLUMN(call_id, CALL_ID, "the call; empty: the event belongs to none") \
	COLUMN(event_type, TEXT, "eventType of the body, or the type of a CloudEvent, else the routing key") \
	COLUMN(trace_id, TEXT, "traceId of the body") \
	COLUMN(tenant_id, TEXT, "the tenant that the event names") \
	COLUMN(routing_key, TEXT, "the routing key of the message") \
	COLUMN(time_source, SOURCE, "where event_time comes from: b the body, p the AMQP timestamp, r the time of receipt, f a function of this extension") \
	COLUMN(message_id, BYTEA, "the AMQP message-id, part of the identity; NULL: there was none") \
	COLUMN(content_type, TEXT, "the content type of the message") \
	COLUMN(headers, JSON, "the AMQP headers, as JSON; NULL: there were none") \
	COLUMN(properties, JSON, "other AMQP properties that are needed to read the event again, as JSON; NULL: none is") \
	COLUMN(mapping, INTEGER, "id in cdr_mappings of the version that the event was read by; NULL: it was read in its own form") \
	COLUMN(salt, UUID, "128 random bits, by which a digest of the event gives away nothing of it; NULL: somebody else wrote the row") \
	COLUMN(payload, JSON, "the body, byte for byte, if it is JSON") \
	COLUMN(body, BYTEA, "the body, byte for byte, if the type json cannot hold it; cdr_event_json() shows it") \
	COLUMN(content_digest, BYTEA, "the digest that stands for an erased content, of 32 bytes or none; NULL: it was not erased")

#define CDR_TIMELESS_COLUMNS(COLUMN) \
	COLUMN(call_id, CALL_ID, "the call, as in call_events") \
	COLUMN(event_id, UUID_ALWAYS, "identity of an event that may come again with another time, as in call_events") \
	COLUMN(event_time, TIME_ALWAYS, "the time with which it came first: event_time of its row in call_events")

#define CDR_LETTER_COLUMNS(COLUMN) \
	COLUMN(event_id, UUID_ALWAYS, "identity of the message, as in call_events") \
	COLUMN(received_at, TIME_ALWAYS, "when the message came first") \
	COLUMN(last_attempt_at, TIME_ALWAYS, "when it was last tried") \
	COLUMN(attempts, ATTEMPTS, "how often it was tried, by delivery or cdr_retry_dead_letters(), from 1") \
	COLUMN(sqlstate, TEXT_ALWAYS, "why it is no event: SQLSTATE of the error") \
	COLUMN(message, TEXT_ALWAYS, "the same, in words") \
	COLUMN(detail, TEXT, "the detail of the error; of a constraint, it repeats the row") \
	COLUMN(constraint_name, TEXT, "the constraint that refused the event; NULL: none did") \
	COLUMN(exchange, TEXT, "the exchange that the message was published to") \
	COLUMN(routing_key, TEXT, "the routing key of the message") \
	COLUMN(message_id, BYTEA, "the AMQP message-id, part of the identity; NULL: there was none") \
	COLUMN(content_type, TEXT, "the content type of the message") \
	COLUMN(content_encoding, TEXT, "the content encoding of the message, such as gzip") \
	COLUMN(property_time, TIME, "the AMQP timestamp; NULL: there was none") \
	COLUMN(headers, JSON, "the AMQP headers, as JSON; NULL: there were none") \
	COLUMN(properties, JSON, "the other AMQP properties, as JSON; NULL: there were none") \
	COLUMN(body_size, BIGINT_ALWAYS, "bytes of the body as it was sent") \
	COLUMN(body, BYTEA_ALWAYS, "the body; of one of more than 16 MB, the first 64 kB")

/* Columns of calls that PostgreSQL computes; how is said in tables.sql. */
#define CDR_DERIVED_COLUMNS(COLUMN) \
	COLUMN(attempt_time, TIME) \
	COLUMN(duration_seconds, BIGINT) \
	COLUMN(billable_seconds, BIGINT)

/* clang-format on */

/* The types of these columns, and of those of call/columns.h. */
#define CDR_OID_ANOMALIES	  TEXTARRAYOID
#define CDR_OID_ATTEMPTS	  INT4OID
#define CDR_OID_BIGINT		  INT8OID
#define CDR_OID_BIGINT_ALWAYS INT8OID
#define CDR_OID_BYTEA		  BYTEAOID
#define CDR_OID_BYTEA_ALWAYS  BYTEAOID
#define CDR_OID_CALL_ID		  TEXTOID
#define CDR_OID_COUNT		  INT8OID
#define CDR_OID_INTEGER		  INT4OID
#define CDR_OID_JSON		  JSONOID
#define CDR_OID_SOURCE		  CHAROID
#define CDR_OID_STATUS		  TEXTOID
#define CDR_OID_TEXT		  TEXTOID
#define CDR_OID_TEXT_ALWAYS	  TEXTOID
#define CDR_OID_TIME		  TIMESTAMPTZOID
#define CDR_OID_TIME_ALWAYS	  TIMESTAMPTZOID
#define CDR_OID_UUID		  UUIDOID
#define CDR_OID_UUID_ALWAYS	  UUIDOID

/* The same for SQL text, of those that stand in calls. */
#define CDR_SQL_ANOMALIES	"text[]"
#define CDR_SQL_BIGINT		"int8"
#define CDR_SQL_BYTEA		"bytea"
#define CDR_SQL_COUNT		"int8"
#define CDR_SQL_INTEGER		"int4"
#define CDR_SQL_STATUS		"text"
#define CDR_SQL_TEXT		"text"
#define CDR_SQL_TIME		"timestamptz"
#define CDR_SQL_TIME_ALWAYS "timestamptz"

/* Those that are NOT NULL. */
#define CDR_ALWAYS_ANOMALIES	 false
#define CDR_ALWAYS_ATTEMPTS		 true
#define CDR_ALWAYS_BIGINT		 false
#define CDR_ALWAYS_BIGINT_ALWAYS true
#define CDR_ALWAYS_BYTEA		 false
#define CDR_ALWAYS_BYTEA_ALWAYS	 true
#define CDR_ALWAYS_CALL_ID		 true
#define CDR_ALWAYS_COUNT		 true
#define CDR_ALWAYS_INTEGER		 false
#define CDR_ALWAYS_JSON			 false
#define CDR_ALWAYS_SOURCE		 true
#define CDR_ALWAYS_STATUS		 true
#define CDR_ALWAYS_TEXT			 false
#define CDR_ALWAYS_TEXT_ALWAYS	 true
#define CDR_ALWAYS_TIME			 false
#define CDR_ALWAYS_TIME_ALWAYS	 true
#define CDR_ALWAYS_UUID			 false
#define CDR_ALWAYS_UUID_ALWAYS	 true

#endif /* CDR_TABLE_COLUMNS_H */
