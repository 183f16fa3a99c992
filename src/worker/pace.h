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

typedef struct CdrPace
{
	int slowest[CDR_PACE_CLASSES]; /* 0: none was stored yet */
} CdrPace;

/* So many were stored, in so many milliseconds. */
extern void cdr_pace_note(CdrPace *pace, int events, long milliseconds);

/* The milliseconds after which so many take suspiciously long. */
extern int cdr_pace_limit(const CdrPace *pace, int events);

#endif /* CDR_PACE_H */
