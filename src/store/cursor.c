/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  The rows of a query, a few at a time.
 *
 * SPI leaves its callers in a context of its own, which lives as long as the
 * session: so each function here goes back to the one that was current.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "store/cursor.h"

void
cdr_cursor_open(CdrCursor *cursor, const char *sql,
				const CdrArguments *arguments, CdrCursorSees sees, int portion)
{
	static const CdrArguments none = {0};
	MemoryContext			  context = CurrentMemoryContext;
	CdrArguments			  own = arguments ? *arguments : none;
	int						  guc_level = NewGUCNestLevel();

	memset(cursor, 0, sizeof(CdrCursor));
	cursor->portion = portion;
	/* what reads a few rows at a time is nothing to compile, in 60 MB, for */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	/* else all rows are read where the statistics are old, or missing */
	if (own.are_keys)
		(void) set_config_option("enable_seqscan", "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	cursor->portal =
		SPI_cursor_open_with_args(NULL, sql, own.count, own.types, own.values,
								  NULL, sees == CDR_AS_CALLER, 0);
	AtEOXact_GUC(false, guc_level);
	MemoryContextSwitchTo(context);
	if (cursor->portal == NULL)
		elog(ERROR, "could not open a cursor: %s",
			 SPI_result_code_string(SPI_result));
}

/* Lets go of the rows in hand and takes the next ones. */
static void
fetch(CdrCursor *cursor)
{
	MemoryContext context = CurrentMemoryContext;

	if (cursor->rows != NULL)
		SPI_freetuptable(cursor->rows);
	SPI_cursor_fetch(cursor->portal, true, cursor->portion);
	cursor->rows = SPI_tuptable;
	cursor->count = SPI_processed;
	cursor->next = 0;
	MemoryContextSwitchTo(context);
}

HeapTuple
cdr_cursor_next(CdrCursor *cursor)
{
	if (cursor->next == cursor->count)
		fetch(cursor);
	if (cursor->count == 0)
		return NULL;
	return cursor->rows->vals[cursor->next++];
}

Datum
cdr_cursor_value(const CdrCursor *cursor, int column, bool *isnull)
{
	return SPI_getbinval(cursor->rows->vals[cursor->next - 1],
						 cursor->rows->tupdesc, column, isnull);
}

void
cdr_cursor_close(CdrCursor *cursor)
{
	MemoryContext context = CurrentMemoryContext;

	if (cursor->rows != NULL)
		SPI_freetuptable(cursor->rows);
	SPI_cursor_close(cursor->portal);
	MemoryContextSwitchTo(context);
}

void
cdr_cursor_return(ReturnSetInfo *info, const char *sql,
				  const CdrArguments *arguments)
{
	CdrCursor cursor;
	HeapTuple row;

	cdr_cursor_open(&cursor, sql, arguments, CDR_AS_CALLER, 1);
	while ((row = cdr_cursor_next(&cursor)) != NULL)
		tuplestore_puttuple(info->setResult, row);
	cdr_cursor_close(&cursor);
}
