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
 * Slow statements.  A trigger may take seconds for every event, and be right.  Then
 * no batch is done in time, and none of its events is to blame.  So fewer are tried
 * together, down to one, as many as take a few seconds; and for one that takes too
 * long alone, each that follows is given more time, until one is stored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "base/guc.h"
#include "worker/pace.h"

/* Many times as long is suspicious; and these are the limits, in milliseconds. */
#define SUSPICIOUS 4
#define LIMIT_MIN  100
#define LIMIT_MAX  1000

/* The same for one of many, all of which take about so long; and the least. */
#define MANY_TIME	  20000
#define LIMIT_OF_MANY 10

/* Milliseconds, where statements are slow: what a try should take, and is given. */
#define SLOW_TRY	   5000
#define SLOW_LIMIT_MIN 6000

/* So many that take too long in a row are given the same time, if one was stored. */
#define SLOW_SUSPECTS 4

static int
class_of(int events)
{
	return Min(pg_leftmost_one_pos32((uint32) events), CDR_PACE_CLASSES - 1);
}

/* As many as are done in time, but at most so many. */
static void
set_together(CdrPace *pace, int most)
{
	double fit = SLOW_TRY / Max(pace->each, 0.001);

	pace->together = (int) Max(Min(fit, (double) most), 1.0);
}

static void
note_slow(CdrPace *pace, int events, long milliseconds)
{
	bool all = events >= pace->together;

	/* a faster one counts by and by */
	pace->each = Max((double) milliseconds / events, pace->each / 2);
	pace->failures = 0;
	set_together(pace, all ? 2 * events : pace->together);
	if (pace->together >= cdr_batch_size &&
		pace->each * cdr_batch_size <= SLOW_TRY)
		pace->together = 0;
}

void
cdr_pace_note(CdrPace *pace, int events, long milliseconds)
{
	int *slowest = &pace->slowest[class_of(events)];

	if (cdr_pace_is_slow(pace))
		note_slow(pace, events, milliseconds);

	/* what was slow once is forgotten, bit by bit */
	*slowest = (int) Max(Min(milliseconds, LIMIT_MAX) + 1,
						 (long) *slowest - *slowest / 8);
}

void
cdr_pace_begin_slow(CdrPace *pace, double each)
{
	pace->each = each;
	pace->failures = 0;
	set_together(pace, each > 0 ? cdr_batch_size : 1);
}

void
cdr_pace_note_timeout(CdrPace *pace, int events)
{
	pace->together = 1;
	if (events == 1)
		pace->failures++;
}

/* What they are given, where statements are slow. */
static int
slow_limit(const CdrPace *pace, int events)
{
	double limit = Max(SUSPICIOUS * pace->each * events, SLOW_LIMIT_MIN);
	int	   doublings = pace->failures / (pace->each > 0 ? SLOW_SUSPECTS : 1);

	for (int i = 0; i < doublings && limit < CDR_PACE_LONGEST; i++)
		limit *= 2;
	return (int) Min(limit, CDR_PACE_LONGEST);
}

static int
limit_of(const CdrPace *pace, int events, int least)
{
	int class = class_of(events);
	int known = class;

	if (cdr_pace_is_slow(pace))
		return slow_limit(pace, events);
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
	return Min(Max(SUSPICIOUS * pace->slowest[known], least), LIMIT_MAX);
}

int
cdr_pace_limit(const CdrPace *pace, int events)
{
	return limit_of(pace, events, LIMIT_MIN);
}

int
cdr_pace_limit_of_many(const CdrPace *pace, int waiting, int failures)
{
	int share = MANY_TIME / Max(waiting, 1);
	int least = Min(Max(share, LIMIT_OF_MANY), LIMIT_MIN);
	int limit = limit_of(pace, 1, least);

	return Min(limit << failures, Max(limit, share));
}
