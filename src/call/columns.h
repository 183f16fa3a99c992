/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  The columns of a call, once: of the struct CdrRow, of the table calls, of
 *	  the statements that write it, and of what is computed from the log.
 *
 * A line here makes a column; what it says is worked out in derive.c.  Columns
 * that PostgreSQL computes from these are generated ones, and stand in
 * store/tables.sql.
 *
 * COLUMN(name, type, comment).  The type is one of
 *
 *	TEXT		text, NULL where nothing is said
 *	STATUS		text NOT NULL
 *	TIME		timestamptz, NULL where it is CDR_NO_TIME
 *	TIME_ALWAYS	timestamptz NOT NULL
 *	INTEGER		integer, NULL where it is 0
 *	BIGINT		bigint, NULL where has_NAME is false
 *	COUNT		bigint NOT NULL
 *	ANOMALIES	text[], NULL where there are none
 *	BYTEA		bytea
 *
 * The order is that of the table: what people read stands first, in the order
 * in which a call is told; what only the merge needs, last.  columns.awk reads
 * this file, too: so each column begins a line and its comment is on the same
 * or the next one, and each group is a #define of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_COLUMNS_H
#define CDR_COLUMNS_H

/* clang-format off */

#define CDR_CALL_KEY(COLUMN) \
	COLUMN(call_id, TEXT, \
		   "the Call-ID that all events of the call carry")

/* what became of it */
#define CDR_CALL_STATUS(COLUMN) \
	COLUMN(status, STATUS, \
		   "how far the call has come: STARTED, RINGING, ANSWERED, COMPLETED; IDENTIFIED or UNKNOWN while none of these is known")
#define CDR_CALL_OUTCOME(COLUMN) \
	COLUMN(disposition, TEXT, \
		   "how the call went: ANSWERED, BUSY, NO_ANSWER, CANCELED, FAILED; NULL until it has ended")

/* who called whom, and when */
#define CDR_CALL_COURSE(COLUMN) \
	COLUMN(direction, TEXT, \
		   "inbound, outbound or internal: as the start says, else by the length of the numbers") \
	COLUMN(caller_number, TEXT, \
		   "who called; anonymous where that was withheld") \
	COLUMN(callee_number, TEXT, \
		   "who was called, by the first start") \
	COLUMN(trunk, TEXT, \
		   "the trunk or gateway that the start names") \
	COLUMN(start_time, TIME, \
		   "when the call was placed") \
	COLUMN(ring_time, TIME, \
		   "when it rang first") \
	COLUMN(answer_time, TIME, \
		   "when it was answered first") \
	COLUMN(end_time, TIME, \
		   "when it ended; NULL while it is up, also if one of its branches has ended")

/* why it ended */
#define CDR_CALL_END(COLUMN) \
	COLUMN(hangup_cause, TEXT, \
		   "why it ended, as the end that ended it says") \
	COLUMN(hangup_source, TEXT, \
		   "which side ended it") \
	COLUMN(sip_status, INTEGER, \
		   "the SIP status that it ended with")

/* what else is known of it */
#define CDR_CALL_REST(COLUMN) \
	COLUMN(tenant_id, TEXT, \
		   "whose call it is: by the latest identification, else by the start") \
	COLUMN(user_id, TEXT, \
		   "the user, by the latest identification, else by the start") \
	COLUMN(contact_id, BIGINT, \
		   "the contact, of the same event as the user") \
	COLUMN(recording_url, TEXT, \
		   "where the latest recording is") \
	COLUMN(anomalies, ANOMALIES, \
		   "what is odd about the call; NULL: nothing") \
	COLUMN(event_count, COUNT, \
		   "distinct events of the call in call_events, corrections and closings too") \
	COLUMN(first_event_time, TIME_ALWAYS, \
		   "the earliest time of its events, corrections and closings apart") \
	COLUMN(last_event_time, TIME_ALWAYS, \
		   "the latest time of its events, corrections and closings apart")

/* what only the merge needs */
#define CDR_CALL_STATE(COLUMN) \
	COLUMN(merge_state, BYTEA, \
		   "what the merge needs to be the same in any order of events; cdr_merge_state() shows it; do not change it")

/* all but the first two, all but the key, and all */
#define CDR_CALL_OTHERS(COLUMN) \
	CDR_CALL_OUTCOME(COLUMN) \
	CDR_CALL_COURSE(COLUMN) \
	CDR_CALL_END(COLUMN) \
	CDR_CALL_REST(COLUMN) \
	CDR_CALL_STATE(COLUMN)
#define CDR_CALL_VALUES(COLUMN) \
	CDR_CALL_STATUS(COLUMN) \
	CDR_CALL_OTHERS(COLUMN)
#define CDR_CALL_COLUMNS(COLUMN) \
	CDR_CALL_KEY(COLUMN) \
	CDR_CALL_VALUES(COLUMN)

#define CDR_CALL_ONE(name, type, comment) +1
#define CDR_CALL_NCOLUMNS (0 CDR_CALL_COLUMNS(CDR_CALL_ONE))

/* clang-format on */

#endif /* CDR_COLUMNS_H */
