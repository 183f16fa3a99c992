/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Rows of somebody's table become events, read by a mapping that is named.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROWS_H
#define CDR_ROWS_H

#include "store/row_event.h"

/* How rows are read. */
typedef struct CdrRowReading
{
	CdrRowSource source;
	bool		 keep_refused; /* as dead letters; else they are an ERROR */
} CdrRowReading;

/* What became of rows. */
typedef struct CdrRowCounts
{
	int64 rows;
	int64 stored;
	int64 known; /* recorded before, or more than once among these */
	int64 dead_letters;
	int64 without_call; /* of those stored: no call is named */
	int64
		without_time; /* of those stored: no time, or one that cannot be read */
} CdrRowCounts;

#define CDR_ROW_NCOUNTS 6

/* ERROR (42704) if there is no mapping of that name. */
extern void cdr_backfill_begin(const char *mapping, bool keep_refused,
							   CdrRowReading *reading);

/*
 * Records rows, values of type json, in the transaction that is under way; adds to
 * *counts what became of them.  What it allocates in the current context is the
 * caller's to free.
 */
extern void cdr_backfill_store(const CdrRowReading *reading, const Datum *rows,
							   int count, CdrRowCounts *counts);

/* The counts as a row of an SQL function, for fcinfo says of which type. */
extern Datum
cdr_backfill_counts(FunctionCallInfo fcinfo, const CdrRowCounts *counts);

#endif /* CDR_ROWS_H */
