/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  A clock that nobody sets, for all that waits.
 *
 * The time of day may be set back, by hours, while something waits for a moment
 * of it: which then does not come.  So whoever waits, or measures how long
 * something takes, asks this clock.  All processes of the machine have the same,
 * until it starts again: so its moments may be in shared memory, but not in files.
 * What is shown to people, or stored, is a TimestampTz.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CLOCK_H
#define CDR_CLOCK_H

#include "portability/instr_time.h"

/* Microseconds since some moment of no meaning; 0: none, or long ago. */
typedef int64 CdrMoment;

static inline CdrMoment
cdr_now(void)
{
	instr_time time;

	INSTR_TIME_SET_CURRENT(time);
	return (CdrMoment) INSTR_TIME_GET_MICROSEC(time);
}

static inline CdrMoment
cdr_after(long milliseconds)
{
	return cdr_now() + (CdrMoment) milliseconds * 1000;
}

/* Milliseconds until a moment, rounded up; 0: it has come. */
static inline long
cdr_milliseconds_until(CdrMoment moment)
{
	CdrMoment left = moment - cdr_now();

	return left <= 0 ? 0 : (long) ((left + 999) / 1000);
}

/* Milliseconds since a moment. */
static inline long
cdr_milliseconds_since(CdrMoment moment)
{
	return (long) ((cdr_now() - moment) / 1000);
}

#endif /* CDR_CLOCK_H */
