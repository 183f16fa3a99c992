/*-------------------------------------------------------------------------
 *
 * rollup_call.h
 *	  What is counted of a call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_CALL_H
#define CDR_ROLLUP_CALL_H

#include "executor/tuptable.h"

#include "store/rollup.h"

/* Where in the table calls the columns are that are counted by. */
typedef enum CdrRollupColumn
{
	CDR_ROLLUP_START,
	CDR_ROLLUP_ANSWER,
	CDR_ROLLUP_END,
	CDR_ROLLUP_TENANT_ID,
	CDR_ROLLUP_DIRECTION_OF,
	CDR_ROLLUP_DISPOSITION,
	CDR_ROLLUP_HANGUP_CAUSE,
	CDR_ROLLUP_SIP_STATUS,
	CDR_ROLLUP_NCOLUMNS
} CdrRollupColumn;

typedef struct CdrRollupColumns
{
	AttrNumber numbers[CDR_ROLLUP_NCOLUMNS];
} CdrRollupColumns;

/* False if one is missing, or of another type. */
extern bool cdr_rollup_columns(TupleDesc row, CdrRollupColumns *columns);

/*
 * Counts the call of a row (sign 1), or takes it away (-1).  Leaves garbage in
 * the current memory context.
 */
extern void cdr_rollup_count(CdrRollup *rollup, TupleTableSlot *slot,
							 const CdrRollupColumns *columns, int sign);

/* Counts a call whose row was changed: takes away what it was, adds what it is. */
extern void
cdr_rollup_recount_row(CdrRollup *rollup, TupleTableSlot *before,
					   TupleTableSlot *after, const CdrRollupColumns *columns);

#endif /* CDR_ROLLUP_CALL_H */
