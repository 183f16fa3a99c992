/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  The merge: from the set of a call's events to one call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MERGE_H
#define CDR_MERGE_H

#include "call/columns.h"
#include "event/event.h"

/* clang-format off */

/* The fields of the types of columns.h. */
#define CDR_FIELD_TEXT(name)		const char *name;
#define CDR_FIELD_TIME(name)		TimestampTz name;
#define CDR_FIELD_TIME_ALWAYS(name) TimestampTz name;
#define CDR_FIELD_BIGINT(name)		bool has_##name; int64 name;
#define CDR_FIELD_COUNT(name)		int64 name;
#define CDR_FIELD_UUID(name)		pg_uuid_t name;
#define CDR_FIELD(name, type, reg) CDR_FIELD_##type(name)

/*
 * What a set of events says of their call: the stored columns of a row of
 * calls.  A time of CDR_NO_TIME or a NULL string is an SQL NULL.  Strings
 * belong to the events.
 */
typedef struct CdrCall
{
	CDR_CALL_COLUMNS(CDR_FIELD)
} CdrCall;

/* clang-format on */

/* The call of no events yet. */
extern void cdr_call_init(CdrCall *call, const char *call_id);

/* Adds one event, which must be of that call and not added before. */
extern void cdr_call_add(CdrCall *call, const CdrEvent *event);

#endif /* CDR_MERGE_H */
