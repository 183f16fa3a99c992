/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  How long it took lately to store so many events together.
 *
 * Where some events of a batch take without end, each part with one of them costs
 * all the time that it is given.  So that is no more than it takes for sure, which
 * depends on the machine, and on what hangs on the tables.  To be wrong costs
 * little: a part that would have made it is halved, or its event tried again later,
 * with more time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "worker/pace.h"

/* Many times as long is suspicious; and these are the limits, in milliseconds. */
#define SUSPICIOUS 4
#define LIMIT_MIN  100
#define LIMIT_MAX  1000

static int
class_of(int events)
{
	return Min(pg_leftmost_one_pos32((uint32) events), CDR_PACE_CLASSES - 1);
}

void
cdr_pace_note(CdrPace *pace, int events, long milliseconds)
{
	int *slowest = &pace->slowest[class_of(events)];

	/* what was slow once is forgotten, bit by bit */
	*slowest = (int) Max(Min(milliseconds, LIMIT_MAX) + 1,
						 (long) *slowest - *slowest / 8);
}

int
cdr_pace_limit(const CdrPace *pace, int events)
{
	int class = class_of(events);
	int known = class;

	/* more events take longer; if that is not known, fewer have to do */
	while (known < CDR_PACE_CLASSES && pace->slowest[known] == 0)
		known++;
	if (known == CDR_PACE_CLASSES)
	{
		for (known = class; known > 0 && pace->slowest[known] == 0;)
			known--;
	}
	if (pace->slowest[known] == 0)
		return LIMIT_MAX;
	return Min(Max(SUSPICIOUS * pace->slowest[known], LIMIT_MIN), LIMIT_MAX);
}
