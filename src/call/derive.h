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

#include "call/columns.h"
#include "call/merge.h"

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

/* clang-format off */

/* The fields of the types of columns.h. */
#define CDR_FIELD_TEXT(name)		const char *name;
#define CDR_FIELD_STATUS(name)		const char *name;
#define CDR_FIELD_TIME(name)		TimestampTz name;
#define CDR_FIELD_TIME_ALWAYS(name) TimestampTz name;
#define CDR_FIELD_INTEGER(name)		int name;
#define CDR_FIELD_BIGINT(name)		bool has_##name; int64 name;
#define CDR_FIELD_COUNT(name)		int64 name;
#define CDR_FIELD_ANOMALIES(name)	unsigned int name;
#define CDR_FIELD_BYTEA(name)		const char *name; size_t name##_length;
#define CDR_FIELD(name, type, comment) CDR_FIELD_##type(name)

/*
 * The stored columns of a row of calls.  A time of CDR_NO_TIME, a NULL string
 * or an integer of 0 is an SQL NULL.
 */
typedef struct CdrRow
{
	CDR_CALL_COLUMNS(CDR_FIELD)
} CdrRow;

/* clang-format on */

/*
 * The row of a call.  Strings stay the call's; merge_state is written into
 * state, which is emptied before, and lasts as long.
 */
extern void
cdr_call_derive(const CdrCall *call, StringInfo state, CdrRow *row);

/*
 * The other way round: what a stored row says, of which some stands in its
 * merge_state and the rest in its other columns.  Strings stay the row's, or are
 * allocated in the current context.  Returns NULL, or why merge_state cannot be
 * read: anybody who may write the table can put anything there.
 */
extern const char *cdr_call_restore(const CdrRow *row, CdrCall *call);

#endif /* CDR_DERIVE_H */
