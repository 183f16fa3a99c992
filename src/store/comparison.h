/*-------------------------------------------------------------------------
 *
 * comparison.h
 *	  The stored calls beside what their events in the log say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_COMPARISON_H
#define CDR_COMPARISON_H

#include "store/call_values.h"
#include "store/chosen_calls.h"
#include "store/log_calls.h"

/* A call, by its row and by the log.  Either may be missing. */
typedef struct CdrSide
{
	bool  is_there;
	Datum values[CDR_CALL_NCOLUMNS]; /* in the order of columns.h */
	bool  nulls[CDR_CALL_NCOLUMNS];
} CdrSide;

typedef struct CdrComparison
{
	const CdrTables *tables;
	CdrSlices		 slices;
	bool			 is_open; /* the two below are, for a slice */
	CdrCursor		 rows;
	CdrLogCalls		 log;
	bool			 has_row;
	bool			 has_call;
	CdrCall			 call;
	TupleDesc		 columns; /* of a row */
	MemoryContext	 slice;	  /* for what a slice needs */
	MemoryContext	 context; /* for the sides in hand */

	/* the call in hand; valid until the next one */
	CdrSide stored;
	CdrSide expected;
} CdrComparison;

/* In SPI, which is connected; sees what the caller's query sees. */
extern void
cdr_comparison_open(CdrComparison *comparison, const CdrTables *tables,
					const CdrChoice *choice);

/* The next call of which the two differ, in the order of the ids' bytes;
 * false at the end. */
extern bool cdr_comparison_next(CdrComparison *comparison);
extern void cdr_comparison_close(CdrComparison *comparison);

/* A field of a side, by its name in columns.h. */
#define CDR_SIDE_VALUE(side, name) ((side)->values[CDR_AT_##name])

#endif /* CDR_COMPARISON_H */
