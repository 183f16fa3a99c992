/*-------------------------------------------------------------------------
 *
 * call_spans.h
 *	  From when to when calls have events, and how many, as their rows say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CALL_SPANS_H
#define CDR_CALL_SPANS_H

#include "utils/timestamp.h"

typedef struct CdrCallSpan
{
	const char *call_id;
	TimestampTz first;
	TimestampTz last;
	int64		events;
} CdrCallSpan;

typedef struct CdrCallSpans
{
	CdrCallSpan *spans; /* sorted by call */
	int			 count;
} CdrCallSpans;

/*
 * Takes them from the result of a statement, which it frees: call_id,
 * first_event_time, last_event_time and event_count.  Those of which the row says
 * nothing are left out.
 */
extern void cdr_call_spans_take(CdrCallSpans *spans);

/* That of a call; NULL: there is none. */
extern const CdrCallSpan *
cdr_call_span(const CdrCallSpans *spans, const char *call_id);

#endif /* CDR_CALL_SPANS_H */
