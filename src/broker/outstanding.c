/*-------------------------------------------------------------------------
 *
 * outstanding.c
 *	  The deliveries of a session that are not acknowledged yet, by their tags.
 *
 * An acknowledgement may speak for one delivery or for all up to it; so how
 * many are left cannot be told from a number alone.  They are an array with
 * room for twice the limit, so that it is moved to the start of that room only
 * once for many that come and go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "broker/outstanding.h"

void
cdr_outstanding_begin(CdrOutstanding *outstanding, MemoryContext context,
					  int limit)
{
	if (outstanding->tags != NULL)
		pfree(outstanding->tags);
	outstanding->tags =
		MemoryContextAlloc(context, 2 * (Size) limit * sizeof(uint64));
	outstanding->first = 0;
	outstanding->count = 0;
	outstanding->limit = limit;
}

void
cdr_outstanding_allow(CdrOutstanding *outstanding, int more)
{
	memmove(outstanding->tags, outstanding->tags + outstanding->first,
			outstanding->count * sizeof(uint64));
	outstanding->first = 0;
	outstanding->limit = outstanding->count + more;
	outstanding->tags = repalloc(
		outstanding->tags, 2 * (Size) outstanding->limit * sizeof(uint64));
}

bool
cdr_outstanding_add(CdrOutstanding *outstanding, uint64 tag)
{
	if (outstanding->count == outstanding->limit)
		return false;
	if (outstanding->first + outstanding->count == 2 * outstanding->limit)
	{
		memmove(outstanding->tags, outstanding->tags + outstanding->first,
				outstanding->count * sizeof(uint64));
		outstanding->first = 0;
	}
	outstanding->tags[outstanding->first + outstanding->count++] = tag;
	return true;
}

/* How many are not above a tag. */
static int
count_up_to(const CdrOutstanding *outstanding, uint64 tag)
{
	const uint64 *tags = outstanding->tags + outstanding->first;
	int			  low = 0;
	int			  high = outstanding->count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (tags[middle] <= tag)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64
cdr_outstanding_up_to(const CdrOutstanding *outstanding, uint64 tag)
{
	int count = count_up_to(outstanding, tag);

	return count == 0 ? 0 : outstanding->tags[outstanding->first + count - 1];
}

void
cdr_outstanding_remove_up_to(CdrOutstanding *outstanding, uint64 tag)
{
	int count = count_up_to(outstanding, tag);

	outstanding->first += count;
	outstanding->count -= count;
}

bool
cdr_outstanding_remove(CdrOutstanding *outstanding, uint64 tag)
{
	uint64 *tags = outstanding->tags + outstanding->first;
	int		before = count_up_to(outstanding, tag) - 1;

	if (before < 0 || tags[before] != tag)
		return false;
	/* the shorter side closes the gap: mostly it is one of the first */
	if (before < outstanding->count / 2)
	{
		memmove(tags + 1, tags, before * sizeof(uint64));
		outstanding->first++;
	}
	else
		memmove(tags + before, tags + before + 1,
				(outstanding->count - before - 1) * sizeof(uint64));
	outstanding->count--;
	return true;
}
