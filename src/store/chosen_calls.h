/*-------------------------------------------------------------------------
 *
 * chosen_calls.h
 *	  The calls that an SQL function is asked for: one, those of a stretch of
 *	  time, or all; in slices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CHOSEN_CALLS_H
#define CDR_CHOSEN_CALLS_H

#include "datatype/timestamp.h"
#include "fmgr.h"

#include "store/cursor.h"
#include "store/tables.h"

typedef enum CdrChoiceKind
{
	CDR_ALL_CALLS,
	CDR_ONE_CALL,
	CDR_CALLS_OF_TIME
} CdrChoiceKind;

typedef struct CdrChoice
{
	CdrChoiceKind kind;
	Datum		  call_id; /* text; of CDR_ONE_CALL */
	TimestampTz	  from;	   /* of CDR_CALLS_OF_TIME: from is in it, to is not */
	TimestampTz	  to;
} CdrChoice;

/* The ids of chosen calls, some at a time. */
typedef struct CdrSlices
{
	const CdrChoice *choice;
	CdrCursor		 ids; /* of CDR_CALLS_OF_TIME */
	bool			 at_end;
} CdrSlices;

/*
 * The choice that the first three arguments of an SQL function make: call_id,
 * from_time and to_time, each of which may be null.  ERROR (22023) for a call
 * and a time together, or for a time that does not end after it begins.
 */
extern CdrChoice cdr_choice(FunctionCallInfo fcinfo);

/*
 * The slices, in the order of the ids' bytes; in SPI, which is connected.
 */
extern void cdr_slices_open(CdrSlices *slices, const CdrTables *tables,
							const CdrChoice *choice);

/*
 * The ids of the next slice, an array of text in the current context; 0 stands
 * for all calls there are.  False at the end.
 */
extern bool cdr_slices_next(CdrSlices *slices, Datum *ids);
extern void cdr_slices_close(CdrSlices *slices);

/* An array of text, of texts. */
extern Datum cdr_text_array(Datum *texts, int count);

#endif /* CDR_CHOSEN_CALLS_H */
