/*-------------------------------------------------------------------------
 *
 * call_spans.c
 *	  From when to when calls have events, and how many, as their rows say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "store/call_spans.h"
#include "store/statement.h"

static int
compare_spans(const void *a, const void *b)
{
	return strcmp(((const CdrCallSpan *) a)->call_id,
				  ((const CdrCallSpan *) b)->call_id);
}

void
cdr_call_spans_take(CdrCallSpans *spans)
{
	spans->spans = palloc(Max(SPI_processed, 1) * sizeof(CdrCallSpan));
	spans->count = 0;
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		CdrCallSpan *span = &spans->spans[spans->count];
		bool		 isnull[3];

		span->first = DatumGetTimestampTz(cdr_result(row, 2, &isnull[0]));
		span->last = DatumGetTimestampTz(cdr_result(row, 3, &isnull[1]));
		span->events = DatumGetInt64(cdr_result(row, 4, &isnull[2]));
		if (isnull[0] || isnull[1] || isnull[2])
			continue;
		span->call_id = TextDatumGetCString(cdr_result(row, 1, &isnull[0]));
		spans->count++;
	}
	SPI_freetuptable(SPI_tuptable);
	/* nobody promises an order */
	qsort(spans->spans, spans->count, sizeof(CdrCallSpan), compare_spans);
}

const CdrCallSpan *
cdr_call_span(const CdrCallSpans *spans, const char *call_id)
{
	CdrCallSpan sought = {.call_id = call_id};

	return bsearch(&sought, spans->spans, spans->count, sizeof(CdrCallSpan),
				   compare_spans);
}
