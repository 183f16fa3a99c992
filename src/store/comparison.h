/*-------------------------------------------------------------------------
 *
 * comparison.h
 *	  The stored calls beside what their events in the log say.
 *
 * A row may have counted more events than the log holds.  If they were retired
 * (the log has no partition for their time any more), what the row holds is all
 * that is left of them: it is compared with itself and the events that are left,
 * joined.  So a row whose events were retired does not differ for that, but for
 * anything else.  The same is so where events were erased: the log has them, but
 * what they said stands in the row alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_COMPARISON_H
#define CDR_COMPARISON_H

#include "base/progress.h"
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
	const CdrChoice *choice;
	CdrCursorSees	 sees;
	bool			 prune; /* what the log lacks is to be forgotten */
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
	bool	has_events;	  /* there are some in the log */
	bool	is_retired;	  /* others were retired, and count as well */
	bool	is_erased;	  /* some say nothing any more, but to the row */
	bool	is_forgotten; /* what the log lacks is to be, as was asked for all
						   * the time that the call lasted */
	bool	differs[CDR_CALL_NCOLUMNS]; /* where both are there */

	int64 nretired; /* calls so far with events that were retired */

	CdrProgress *progress; /* told of each call; or NULL, as it is opened */
} CdrComparison;

/*
 * In SPI, which is connected.  With prune, what was retired does not count for
 * calls that lie in the stretch of time of the choice, if it has one.
 */
extern void
cdr_comparison_open(CdrComparison *comparison, const CdrTables *tables,
					const CdrChoice *choice, CdrCursorSees sees, bool prune);

/* The next call of which the two differ, in the order of the ids' bytes;
 * false at the end. */
extern bool cdr_comparison_next(CdrComparison *comparison);
extern void cdr_comparison_close(CdrComparison *comparison);

/* A field of a side, by its name in columns.h. */
#define CDR_SIDE_VALUE(side, name) ((side)->values[CDR_AT_##name])

#endif /* CDR_COMPARISON_H */
