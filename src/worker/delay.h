/*-------------------------------------------------------------------------
 *
 * delay.h
 *	  How long to wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_DELAY_H
#define CDR_DELAY_H

/*
 * Milliseconds to wait after so many failures in a row: first * 2^failures, at
 * most longest, less up to half of it by chance.
 */
extern long cdr_backoff(long first, int failures, long longest);

/* The longest of such waits, if nothing else limits it. */
#define CDR_LONGEST_BACKOFF 60000

#endif /* CDR_DELAY_H */
