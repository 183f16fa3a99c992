/*-------------------------------------------------------------------------
 *
 * anew.h
 *	  An event of the log, read anew by the mappings that are in force now.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ANEW_H
#define CDR_ANEW_H

#include "event/event.h"
#include "store/cursor.h"
#include "store/log_event.h"

/* The columns of a query whose rows are read anew, of call_events AS e. */
#define CDR_ANEW_EVENT CDR_LOG_EVENT ", e.received_at, e.recorded_at"

enum
{
	CDR_ANEW_RECEIVED_AT = CDR_LOG_NEXT,
	CDR_ANEW_RECORDED_AT
};

/* What comes of it. */
typedef enum CdrAnewOutcome
{
	CDR_ANEW_SAME,	/* what it was read by is what it would be read by */
	CDR_ANEW_OTHER, /* it would be read by another mapping or version, or, after
					  * a mapping, by none */
	CDR_ANEW_REFUSED /* by what is in force it would be no event */
} CdrAnewOutcome;

/*
 * Reads the event that the row in hand records as if its message came now, in the
 * current context.  Where the log does not say from which exchange it came, the
 * one that is given counts (NULL: none), and for what a mapping has read that has a
 * version in force, one that this version asks for.
 *
 * What a mapping has read that has no version in force, and no other in force
 * takes, is the same: nothing is taken out of its call because a mapping was
 * disabled.
 */
extern CdrAnewOutcome
cdr_read_anew(const CdrCursor *cursor, const char *exchange, CdrEvent *event);

/* The message of the row in hand, with the exchange as cdr_read_anew() has it. */
extern CdrMessage *
cdr_message_anew(const CdrCursor *cursor, const char *exchange, bool *is_json);

/* The id of the mapping that the row in hand was read by; 0: by none. */
extern int cdr_anew_mapping(const CdrCursor *cursor);

#endif /* CDR_ANEW_H */
