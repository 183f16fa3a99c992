/*-------------------------------------------------------------------------
 *
 * log_calls.h
 *	  Calls computed from the log, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LOG_CALLS_H
#define CDR_LOG_CALLS_H

#include "call/merge.h"
#include "store/cursor.h"
#include "store/tables.h"

/*
 * Memory: that of the largest event, and of what the call in hand says, however
 * many events it has.
 */
typedef struct CdrLogCalls
{
	CdrCursor	  cursor;
	bool		  has_row;	 /* its row is of the next call */
	MemoryContext scratch;	 /* for one event */
	MemoryContext strings;	 /* of the call in hand */
	MemoryContext strings_2; /* takes turns with it */
	bool		  is_erased; /* the call in hand has events that were erased */
} CdrLogCalls;

/*
 * Reads calls, all or (ids, an array of text, is not 0) those named, in the
 * order of their ids' bytes; in SPI, which is connected.
 */
extern void cdr_log_calls_open(CdrLogCalls *log, const CdrTables *tables,
							   Datum ids, CdrCursorSees sees);

/*
 * The same of one call (text), of its events that were recorded by a time.  (What
 * has no time of recording counts as recorded when it was received.)
 */
extern void cdr_log_calls_open_until(CdrLogCalls *log, const CdrTables *tables,
									 Datum call_id, TimestampTz until);

/* The next call, valid until the next one; false at the end. */
extern bool cdr_log_calls_next(CdrLogCalls *log, CdrCall *call);

extern void cdr_log_calls_close(CdrLogCalls *log);

#endif /* CDR_LOG_CALLS_H */
