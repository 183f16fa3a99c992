/*-------------------------------------------------------------------------
 *
 * tag.c
 *	  Deliveries, and when they may be acknowledged.
 *
 * Memory.  What the events of a delivery share lives until the last of them is
 * durable; what they point to, until the last of them is passed on.  All of it is
 * below one context, which is reset with the session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/tag.h"

struct CdrShare
{
	int			  unstored; /* events that are not durable */
	int			  held;		/* events that may be looked at */
	MemoryContext context;
	size_t		  size;
};

static MemoryContext shares_context = NULL;
static size_t		 shares_size = 0;

MemoryContext
cdr_share_context(void)
{
	if (shares_context == NULL)
		shares_context = AllocSetContextCreate(
			TopMemoryContext, "cdr_service shares", ALLOCSET_DEFAULT_SIZES);
	return AllocSetContextCreate(shares_context, "cdr_service delivery",
								 ALLOCSET_SMALL_SIZES);
}

CdrShare *
cdr_share_begin(int count, MemoryContext context, size_t size)
{
	CdrShare *share = MemoryContextAlloc(shares_context, sizeof(CdrShare));

	*share = (CdrShare){
		.unstored = count, .held = count, .context = context, .size = size};
	shares_size += size;
	return share;
}

size_t
cdr_shares_size(void)
{
	return shares_size;
}

static void
free_unused(CdrShare *share)
{
	if (share->held == 0 && share->context != NULL)
	{
		MemoryContextDelete(share->context);
		share->context = NULL;
		shares_size -= share->size;
	}
	if (share->held == 0 && share->unstored == 0)
		pfree(share);
}

bool
cdr_tag_stored(const CdrTag *tag)
{
	CdrShare *share = tag->share;
	bool	  is_last;

	if (share == NULL)
		return true;
	is_last = --share->unstored == 0;
	free_unused(share);
	return is_last;
}

void
cdr_tag_passed(const CdrTag *tag)
{
	if (tag->share == NULL)
		return;
	tag->share->held--;
	free_unused(tag->share);
}

void
cdr_shares_drop(void)
{
	if (shares_context != NULL)
		MemoryContextReset(shares_context);
	shares_size = 0;
}
