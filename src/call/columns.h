/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  The columns of a call, once: of the struct CdrCall, of the table calls,
 *	  of the statements that write it, and of what is computed from the log.
 *
 * A line here makes a column; what fills it is said in merge.c.  Columns that
 * follow from others are generated ones, and stand in store/tables.sql.
 *
 * COLUMN(name, type, register).  The type is one of
 *
 *	TEXT		text, NULL where nothing is said
 *	TIME		timestamptz, NULL where it is CDR_NO_TIME
 *	TIME_ALWAYS	timestamptz NOT NULL
 *	BIGINT		bigint, NULL where has_NAME is false
 *	COUNT		bigint NOT NULL
 *	UUID		uuid, of the event that won the register; NULL where none has
 *
 * and the register says which of two values stays when a stored row and what a
 * batch adds are joined:
 *
 *	KEY			they are the same
 *	EVENTS		both, added: the number of events
 *	FIRST, LAST	the earlier, the later time
 *	USER		that of IDENTIFIED, or, if nobody was, of STARTED
 *	others		that of the event that wins the register, which is below
 *
 * The order is that of the table.  columns.awk reads this file, too: so each
 * column stands on a line, and each group in a #define of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_COLUMNS_H
#define CDR_COLUMNS_H

/* clang-format off */

#define CDR_CALL_KEY(COLUMN) \
	COLUMN(call_id, TEXT, KEY)

/* who called whom, and when */
#define CDR_CALL_COURSE(COLUMN) \
	COLUMN(direction, TEXT, STARTED) \
	COLUMN(caller_number, TEXT, STARTED) \
	COLUMN(callee_number, TEXT, STARTED) \
	COLUMN(start_time, TIME, STARTED) \
	COLUMN(answer_time, TIME, FIRST) \
	COLUMN(end_time, TIME, ENDED)

/* why it ended */
#define CDR_CALL_END(COLUMN) \
	COLUMN(hangup_cause, TEXT, ENDED) \
	COLUMN(hangup_source, TEXT, ENDED)

/* what else is known of it */
#define CDR_CALL_REST(COLUMN) \
	COLUMN(user_id, TEXT, USER) \
	COLUMN(contact_id, BIGINT, USER) \
	COLUMN(recording_url, TEXT, RECORDING) \
	COLUMN(event_count, COUNT, EVENTS) \
	COLUMN(first_event_time, TIME_ALWAYS, FIRST) \
	COLUMN(last_event_time, TIME_ALWAYS, LAST)

/* what the merge needs to be the same in any order */
#define CDR_CALL_WINNERS(COLUMN) \
	COLUMN(started_event_id, UUID, STARTED) \
	COLUMN(started_tenant_id, TEXT, STARTED) \
	COLUMN(ended_event_id, UUID, ENDED) \
	COLUMN(identified_time, TIME, IDENTIFIED) \
	COLUMN(identified_event_id, UUID, IDENTIFIED) \
	COLUMN(identified_tenant_id, TEXT, IDENTIFIED) \
	COLUMN(recording_time, TIME, RECORDING) \
	COLUMN(recording_event_id, UUID, RECORDING)

/* all but the key, and all */
#define CDR_CALL_VALUES(COLUMN) \
	CDR_CALL_COURSE(COLUMN) \
	CDR_CALL_END(COLUMN) \
	CDR_CALL_REST(COLUMN) \
	CDR_CALL_WINNERS(COLUMN)
#define CDR_CALL_COLUMNS(COLUMN) \
	CDR_CALL_KEY(COLUMN) \
	CDR_CALL_VALUES(COLUMN)

#define CDR_CALL_ONE(name, type, reg) +1
#define CDR_CALL_NCOLUMNS (0 CDR_CALL_COLUMNS(CDR_CALL_ONE))

/*
 * The registers that an event wins: by which rule, and the columns that hold
 * its time and its id.  Ties are decided by the id.
 */
#define CDR_REGISTER_STARTED	EARLIEST, start_time, started_event_id
#define CDR_REGISTER_ENDED		EARLIEST, end_time, ended_event_id
#define CDR_REGISTER_IDENTIFIED	LATEST, identified_time, identified_event_id
#define CDR_REGISTER_RECORDING	LATEST, recording_time, recording_event_id

/* and the others, which no event's id decides */
#define CDR_REGISTER_KEY		KEY, ,
#define CDR_REGISTER_EVENTS		EVENTS, ,
#define CDR_REGISTER_FIRST		FIRST, ,
#define CDR_REGISTER_LAST		LAST, ,
#define CDR_REGISTER_USER		USER, ,

/* clang-format on */

#endif /* CDR_COLUMNS_H */
