/*-------------------------------------------------------------------------
 *
 * stored_calls.c
 *	  Rows of calls, as calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "store/stored_calls.h"

/* As those who merge lock it. */
static CdrStatement lock_call = {
	.sql = "SELECT FROM ONLY %1$s.calls WHERE call_id = $1 FOR NO KEY UPDATE",
	.ncolumns = 1,
	.types = {TEXTOID},
};

CdrStatement *const cdr_stored_calls_statements[] = {&lock_call, NULL};

void
cdr_stored_call(const CdrCursor *cursor, CdrCall *call)
{
	Datum values[CDR_CALL_NCOLUMNS];
	bool  nulls[CDR_CALL_NCOLUMNS];

	for (int i = 0; i < CDR_CALL_NCOLUMNS; i++)
		values[i] = cdr_cursor_value(cursor, i + 1, &nulls[i]);
	cdr_call_of_values(values, nulls, call);
}

void
cdr_stored_call_lock(Datum call_id)
{
	cdr_statement_execute(&lock_call, &call_id, NULL, SPI_OK_SELECT);
	SPI_freetuptable(SPI_tuptable);
}
