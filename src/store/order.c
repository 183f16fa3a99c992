/*-------------------------------------------------------------------------
 *
 * order.c
 *	  The order in which a batch writes its events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/order.h"

/*
 * By call, then by identity: the order of the unique index.  Of the same, the one
 * that came first goes first: a CloudEvent that is sent again may differ in what
 * does not identify it.
 */
static int
compare_events(const void *a, const void *b)
{
	const CdrEvent *x = *(CdrEvent *const *) a;
	const CdrEvent *y = *(CdrEvent *const *) b;
	int				result = strcmp(x->call_id, y->call_id);

	if (result == 0)
		result = memcmp(x->id.data, y->id.data, UUID_LEN);
	if (result == 0)
		result = (x->time > y->time) - (x->time < y->time);
	if (result == 0)
		result = (x > y) - (x < y);
	return result;
}

static bool
repeats_event(const CdrEvent *x, const CdrEvent *y)
{
	return strcmp(x->call_id, y->call_id) == 0 &&
		   memcmp(x->id.data, y->id.data, UUID_LEN) == 0;
}

int
cdr_sort_events_apart(CdrEvent **events, int count, CdrEvent **others,
					  int *nothers)
{
	int kept = 0;

	*nothers = 0;
	qsort(events, count, sizeof(CdrEvent *), compare_events);
	for (int i = 0; i < count; i++)
	{
		if (kept == 0 || !repeats_event(events[kept - 1], events[i]))
			events[kept++] = events[i];
		else if (others != NULL && events[kept - 1]->time != events[i]->time)
			others[(*nothers)++] = events[i];
	}
	return kept;
}

int
cdr_sort_events(CdrEvent **events, int count)
{
	int nothers;

	return cdr_sort_events_apart(events, count, NULL, &nothers);
}
