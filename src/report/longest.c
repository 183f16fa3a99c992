/*-------------------------------------------------------------------------
 *
 * longest.c
 *	  SQL: an aggregate of the longest calls.
 *
 * It keeps ids of some, and no rows: who asks reads those again, by their key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "report/aggregate.h"

#define LONGEST_AT_MOST 10

typedef struct LongCall
{
	uint64 length; /* microseconds: between any two times */
	text  *id;
} LongCall;

typedef struct Longest
{
	int		 count;
	LongCall calls[LONGEST_AT_MOST + 1];
} Longest;

static int
order_of_ids(const text *a, const text *b)
{
	int a_length = (int) VARSIZE_ANY_EXHDR(a);
	int b_length = (int) VARSIZE_ANY_EXHDR(b);
	int result =
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_length, b_length));

	return result != 0 ? result : a_length - b_length;
}

/* Of calls that are as long, the first by its id. */
static bool
is_before(const LongCall *a, const LongCall *b)
{
	if (a->length != b->length)
		return a->length > b->length;
	return order_of_ids(a->id, b->id) < 0;
}

static void
insert_call(Longest *longest, LongCall call, MemoryContext context)
{
	MemoryContext before;
	int			  place = longest->count;

	while (place > 0 && is_before(&call, &longest->calls[place - 1]))
		place--;
	if (place == LONGEST_AT_MOST)
		return;
	before = MemoryContextSwitchTo(context);
	call.id = cstring_to_text_with_len(VARDATA_ANY(call.id),
									   (int) VARSIZE_ANY_EXHDR(call.id));
	MemoryContextSwitchTo(before);
	memmove(&longest->calls[place + 1], &longest->calls[place],
			(longest->count - place) * sizeof(LongCall));
	longest->calls[place] = call;
	if (longest->count == LONGEST_AT_MOST)
		pfree(longest->calls[LONGEST_AT_MOST].id);
	else
		longest->count++;
}

PG_FUNCTION_INFO_V1(cdr_longest_calls_add);

Datum
cdr_longest_calls_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	Longest		 *longest = PG_ARGISNULL(0)
								? MemoryContextAllocZero(context, sizeof(Longest))
								: (Longest *) PG_GETARG_POINTER(0);
	LongCall	  call;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) ||
		PG_GETARG_TIMESTAMPTZ(2) <= PG_GETARG_TIMESTAMPTZ(1))
		PG_RETURN_POINTER(longest);
	call.length =
		(uint64) PG_GETARG_TIMESTAMPTZ(2) - (uint64) PG_GETARG_TIMESTAMPTZ(1);
	if (longest->count < LONGEST_AT_MOST ||
		call.length >= longest->calls[LONGEST_AT_MOST - 1].length)
	{
		call.id = PG_GETARG_TEXT_PP(3);
		insert_call(longest, call, context);
	}
	PG_RETURN_POINTER(longest);
}

PG_FUNCTION_INFO_V1(cdr_longest_calls_found);

Datum
cdr_longest_calls_found(PG_FUNCTION_ARGS)
{
	Longest *longest;
	Datum	 ids[LONGEST_AT_MOST];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	longest = (Longest *) PG_GETARG_POINTER(0);
	for (int i = 0; i < longest->count; i++)
		ids[i] = PointerGetDatum(longest->calls[i].id);
	PG_RETURN_ARRAYTYPE_P(construct_array(ids, longest->count, TEXTOID, -1,
										  false, TYPALIGN_INT));
}
