/*-------------------------------------------------------------------------
 *
 * stored_calls.h
 *	  Rows of calls, as calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STORED_CALLS_H
#define CDR_STORED_CALLS_H

#include "store/call_values.h"
#include "store/cursor.h"
#include "store/statement.h"
#include "store/table_columns.h"

/* clang-format off */

#define CDR_STORED(name, type, comment) ", c." #name "::" CDR_SQL_##type

/* A query, as a format for the schema, to which a condition is to be added. */
#define CDR_READ_CALLS \
	"SELECT c.call_id::text" CDR_CALL_VALUES(CDR_STORED) \
	" FROM ONLY %s.calls AS c"

/* clang-format on */

/*
 * The call that the row in hand of such a query is.  Strings are allocated in the
 * current context.  ERROR (XX001) if its merge_state cannot be read.
 */
extern void cdr_stored_call(const CdrCursor *cursor, CdrCall *call);

/* For writer.c. */
extern CdrStatement *const cdr_stored_calls_statements[];

/*
 * Locks the row of a call (text), through an open writer, until the transaction
 * ends: whoever writes it is waited for, and nobody else does after that.  More
 * than one in the order of calls.  It may be gone.
 */
extern void cdr_stored_call_lock(Datum call_id);

#endif /* CDR_STORED_CALLS_H */
