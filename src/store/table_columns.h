/*-------------------------------------------------------------------------
 *
 * table_columns.h
 *	  The columns of the tables but for calls that this library writes,
 *	  once: for the statements' sake those of calls stand in call/columns.h.
 *
 * COLUMN(name, type), in the order of the table.  columns.awk reads this file,
 * too: so each column stands on a line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TABLE_COLUMNS_H
#define CDR_TABLE_COLUMNS_H

#include "catalog/pg_type.h"

/* clang-format off */

#define CDR_LOG_COLUMNS(COLUMN) \
	COLUMN(event_time, TIME_ALWAYS) \
	COLUMN(received_at, TIME_ALWAYS) \
	COLUMN(recorded_at, TIME) \
	COLUMN(event_id, UUID_ALWAYS) \
	COLUMN(call_id, CALL_ID) \
	COLUMN(event_type, TEXT) \
	COLUMN(trace_id, TEXT) \
	COLUMN(tenant_id, TEXT) \
	COLUMN(routing_key, TEXT) \
	COLUMN(time_source, SOURCE) \
	COLUMN(message_id, BYTEA) \
	COLUMN(content_type, TEXT) \
	COLUMN(headers, JSON) \
	COLUMN(properties, JSON) \
	COLUMN(mapping, INTEGER) \
	COLUMN(salt, UUID) \
	COLUMN(payload, JSON) \
	COLUMN(body, BYTEA) \
	COLUMN(content_digest, BYTEA)

#define CDR_TIMELESS_COLUMNS(COLUMN) \
	COLUMN(call_id, CALL_ID) \
	COLUMN(event_id, UUID_ALWAYS) \
	COLUMN(event_time, TIME_ALWAYS)

#define CDR_LETTER_COLUMNS(COLUMN) \
	COLUMN(event_id, UUID_ALWAYS) \
	COLUMN(received_at, TIME_ALWAYS) \
	COLUMN(last_attempt_at, TIME_ALWAYS) \
	COLUMN(attempts, ATTEMPTS) \
	COLUMN(sqlstate, TEXT_ALWAYS) \
	COLUMN(message, TEXT_ALWAYS) \
	COLUMN(detail, TEXT) \
	COLUMN(constraint_name, TEXT) \
	COLUMN(exchange, TEXT) \
	COLUMN(routing_key, TEXT) \
	COLUMN(message_id, BYTEA) \
	COLUMN(content_type, TEXT) \
	COLUMN(content_encoding, TEXT) \
	COLUMN(property_time, TIME) \
	COLUMN(headers, JSON) \
	COLUMN(properties, JSON) \
	COLUMN(body_size, BIGINT_ALWAYS) \
	COLUMN(body, BYTEA_ALWAYS)

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
