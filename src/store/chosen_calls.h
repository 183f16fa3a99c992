/*-------------------------------------------------------------------------
 *
 * chosen_calls.h
 *	  The calls that an SQL function is asked for: those named, those of a
 *	  stretch of time, or all; in slices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CHOSEN_CALLS_H
#define CDR_CHOSEN_CALLS_H

#include "datatype/timestamp.h"
#include "fmgr.h"

#include "store/cursor.h"
#include "store/tables.h"

/* Calls of a slice, at most. */
#define CDR_SLICE_MAX 1000

typedef enum CdrChoiceKind
{
	CDR_ALL_CALLS,
	CDR_NAMED_CALLS,
	CDR_CALLS_OF_TIME
} CdrChoiceKind;

typedef struct CdrChoice
{
	CdrChoiceKind kind;
	Datum		 *ids; /* of CDR_NAMED_CALLS: texts, each once, in the order of
						* their bytes */
	int			  nids;
	TimestampTz	  from; /* of CDR_CALLS_OF_TIME: from is in it, to is not; else
					   * -infinity and infinity */
	TimestampTz	  to;
} CdrChoice;

/* The ids of chosen calls, some at a time. */
typedef struct CdrSlices
{
	const CdrChoice *choice;
	CdrCursor		 cursor; /* of CDR_CALLS_OF_TIME */
	int				 next;	 /* of CDR_NAMED_CALLS */
	bool			 at_end; /* of CDR_ALL_CALLS */
} CdrSlices;

/*
 * The choice that arguments of an SQL function make: the first three, call_id,
 * from_time and to_time, and call_ids, an array of text, which is at the place
 * given; each may be null.  ERROR (22023) if more than one of a call, a list and
 * a time is given, or for a time that does not end after it begins.
 */
extern CdrChoice cdr_choice(FunctionCallInfo fcinfo, int call_ids);

/* A choice of calls by their ids, which are sorted here, and stay the caller's. */
extern CdrChoice cdr_choice_of_ids(Datum *ids, int count);

/* How many calls that is, of all as the planner knows it; -1: not known. */
extern int64 cdr_choice_size(const CdrTables *tables, const CdrChoice *choice);

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

/*
 * The ids, in the same order, of all calls or of those of a stretch of time: a
 * row of one text each.
 */
extern void cdr_chosen_ids_open(CdrCursor *cursor, const CdrTables *tables,
								const CdrChoice *choice);

/* An array of text, of texts. */
extern Datum cdr_text_array(Datum *texts, int count);

#endif /* CDR_CHOSEN_CALLS_H */
