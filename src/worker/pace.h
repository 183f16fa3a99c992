/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  How long it took lately to store so many events together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PACE_H
#define CDR_PACE_H

/* Milliseconds, rounded up, by the power of two that a number of events reaches. */
#define CDR_PACE_CLASSES 24

/* The longest that a transaction may ever take, in milliseconds. */
#define CDR_PACE_LONGEST 50000

typedef struct CdrPace
{
	int slowest[CDR_PACE_CLASSES]; /* 0: none was stored yet */

	/* where statements are slow */
	int together; /* as many events are tried at most; 0: they are not slow */
	double each;  /* milliseconds that one took lately; 0: not known */
	int	   failures; /* that one alone took too long, in a row */
} CdrPace;

/* So many were stored, in so many milliseconds. */
extern void cdr_pace_note(CdrPace *pace, int events, long milliseconds);

/* The milliseconds after which so many take suspiciously long. */
extern int cdr_pace_limit(const CdrPace *pace, int events);

/*
 * The same of one event that so many tries have failed for, while so many wait to be
 * tried alone: twice as much after each; but the more wait, the less, for each may be
 * one that takes without end.
 */
extern int
cdr_pace_limit_of_many(const CdrPace *pace, int waiting, int failures);

/*
 * Statements are slow, whatever they store: one event takes so many milliseconds; 0:
 * not known, but more than it was given.
 */
extern void cdr_pace_begin_slow(CdrPace *pace, double each);

static inline bool
cdr_pace_is_slow(const CdrPace *pace)
{
	return pace->together > 0;
}

/* Where they are: so many took longer than their limit. */
extern void cdr_pace_note_timeout(CdrPace *pace, int events);

#endif /* CDR_PACE_H */
