/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *	  What the aggregates of this room have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REPORT_AGGREGATE_H
#define CDR_REPORT_AGGREGATE_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/array.h"

/* Of the aggregate that calls this function; an ERROR outside of one. */
extern MemoryContext
cdr_aggregate_context(FunctionCallInfo fcinfo, const char *name);

/*
 * May a state grow by so many bytes?  Else an ERROR (program_limit_exceeded), after which
 * who asks goes another way, on disk.
 */
extern void cdr_aggregate_grow(MemoryContext context, Size bytes);

/* Steps of time: when each begins, and when the last ends. */
typedef struct CdrSteps
{
	TimestampTz *bounds; /* one more than there are steps */
	int			 nsteps;
	int			 last; /* which was found */
} CdrSteps;

/* Of an argument of that number, into the current context; an ERROR of what is none. */
extern void
cdr_steps_read(CdrSteps *steps, FunctionCallInfo fcinfo, int number);

/*
 * What an aggregate keeps of each of these steps, in its context: begins with
 * CdrSteps, and has so many bytes of zeros for each from an offset on.
 */
extern void *cdr_steps_make(MemoryContext context, FunctionCallInfo fcinfo,
							int number, Size offset, Size each);

/* In which of them a time is, from 0 on; -1: in none. */
extern int cdr_steps_find(CdrSteps *steps, TimestampTz time);

/* As date_part('epoch') has it of what one time is after another. */
extern double cdr_seconds_between(TimestampTz from, TimestampTz to);

/* An array of rows of some numbers. */
extern Datum cdr_aggregate_rows(Datum *values, int count, int width);

#endif /* CDR_REPORT_AGGREGATE_H */
