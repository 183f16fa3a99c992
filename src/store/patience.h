/*-------------------------------------------------------------------------
 *
 * patience.h
 *	  How long a transaction of the worker may take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PATIENCE_H
#define CDR_PATIENCE_H

/* In milliseconds: for each lock that it waits for, and for all of it. */
typedef struct CdrPatience
{
	int lock;
	int total;
} CdrPatience;

/* With a batch that nothing waits for; and where others wait. */
#define CDR_PATIENT ((CdrPatience){1000, 15000})
#define CDR_BRISK	((CdrPatience){50, 3000})

/*
 * Bounds the transaction that has begun: a lock, or a trigger that sleeps, must
 * not keep the worker from everything else.  Where its time is over, its statement
 * is cancelled; and if that is caught, again and again, the process ends.
 */
extern void cdr_patience_begin(CdrPatience patience);

/* Also after an error, and before a commit: that may take its time. */
extern void cdr_patience_end(void);

/* Is that why the process ends? */
extern bool cdr_patience_is_lost(void);

#endif /* CDR_PATIENCE_H */
