/*-------------------------------------------------------------------------
 *
 * stored_calls.c
 *	  Rows of calls, as calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/stored_calls.h"

void
cdr_stored_call(const CdrCursor *cursor, CdrCall *call)
{
	Datum values[CDR_CALL_NCOLUMNS];
	bool  nulls[CDR_CALL_NCOLUMNS];

	for (int i = 0; i < CDR_CALL_NCOLUMNS; i++)
		values[i] = cdr_cursor_value(cursor, i + 1, &nulls[i]);
	cdr_call_of_values(values, nulls, call);
}
