/*-------------------------------------------------------------------------
 *
 * derive.h
 *	  What people read of a call: the row of calls, out of what its events say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_DERIVE_H
#define CDR_DERIVE_H

#include "lib/stringinfo.h"

#include "call/merge.h"
#include "call/row.h"

/* What may be odd about a call: bits, and their names in that order. */
typedef enum CdrAnomaly
{
	CDR_ANOMALY_REUSED,
	CDR_ANOMALY_CLOCK,
	CDR_ANOMALY_UNTIMED,
	CDR_ANOMALY_NO_START,
	CDR_ANOMALY_NO_ANSWER,
	CDR_ANOMALY_CLOSED
} CdrAnomaly;
#define CDR_NANOMALIES (CDR_ANOMALY_CLOSED + 1)

extern const char *const cdr_anomaly_names[CDR_NANOMALIES];

/*
 * The row of a call.  Strings stay the call's; merge_state is written into
 * state, which is emptied before, and lasts as long.
 */
extern void
cdr_call_derive(const CdrCall *call, StringInfo state, CdrRow *row);

/*
 * Shows the call that its Call-ID was used again: by a start, of a time of its
 * own, a second or more after the earliest final end, or over an hour after the
 * first start?
 */
extern bool cdr_call_is_reused(const CdrCall *call);

/*
 * The end that ends the call, corrections included; its id is that of the event,
 * if one told it.  False: there is none, it is still up.
 */
extern bool cdr_call_end(const CdrCall *call, CdrFact *end);

/*
 * What PostgreSQL computes of a row (store/tables.sql), for rows that stand in no
 * table: a time, or CDR_NO_TIME; whole seconds, or CDR_NO_SECONDS.
 */
#define CDR_NO_SECONDS (-1)
extern TimestampTz cdr_row_attempt(const CdrRow *row);
extern int64	   cdr_row_duration(const CdrRow *row);
extern int64	   cdr_row_billable(const CdrRow *row);

/*
 * The other way round: what a stored row says, of which some stands in its
 * merge_state and the rest in its other columns.  Strings stay the row's, or are
 * allocated in the current context.  Returns NULL, or why merge_state cannot be
 * read: anybody who may write the table can put anything there.
 */
extern const char *cdr_call_restore(const CdrRow *row, CdrCall *call);

#endif /* CDR_DERIVE_H */
