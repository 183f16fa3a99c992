/*-------------------------------------------------------------------------
 *
 * bisect.h
 *	  Stores what can be stored of some events; the others become dead letters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_BISECT_H
#define CDR_BISECT_H

#include "event/event.h"
#include "store/record.h"

/* A batch on its way in, and what became of it so far. */
typedef struct CdrJob
{
	MemoryContext context; /* for what must outlive the transaction */
	CdrEvent	**events;  /* understood */
	int			  nevents;
	CdrEvent	**letters; /* dead; has room for all */
	int			  nletters;
	CdrEvent	**others; /* the same as one of events, with another time */
	int			  nothers;
	CdrRecorded	  recorded;
	const char	 *writer;	/* the role that writes */
	bool		  is_trial; /* what is written is taken back */
} CdrJob;

/*
 * Sorts events into those that were understood and dead letters, in the
 * current memory context, which is also that of what must outlive the
 * transaction.
 */
extern void cdr_job_init(CdrJob *job, CdrEvent *events, int count);

/*
 * Stores what can be stored of some of the job's events, through an open
 * writer; the others are added to its dead letters, with the reason.  ERROR if
 * the moment is wrong, or the tables are.
 */
extern void cdr_bisect(CdrJob *job, CdrEvent **events, int count);

#endif /* CDR_BISECT_H */
