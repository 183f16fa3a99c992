/*-------------------------------------------------------------------------
 *
 * row.h
 *	  The row of a call, as it is stored.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROW_H
#define CDR_ROW_H

#include "datatype/timestamp.h"

#include "call/columns.h"

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

#endif /* CDR_ROW_H */
