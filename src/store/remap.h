/*-------------------------------------------------------------------------
 *
 * remap.h
 *	  The newest mappings, applied to the events of the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REMAP_H
#define CDR_REMAP_H

#include "store/chosen_calls.h"

/* Which events, and how. */
typedef struct CdrRemap
{
	const CdrChoice *choice;   /* of calls, or of a stretch of time */
	const char		*exchange; /* see remap_plan.h */
	int				 slice;	   /* events at a time; 1 to CDR_REMAP_SLICE */
	bool			 commits;  /* after each slice, by SPI_commit() */
} CdrRemap;

/*
 * Reads events anew, moves those that are read otherwise, and writes their calls
 * anew.  Tells in a notice what it has done.  Returns how many calls it wrote.
 *
 * A caller who has it commit is connected to SPI, which is not atomic, and has no
 * snapshot.
 */
extern int64 cdr_remap(const CdrRemap *remap);

#endif /* CDR_REMAP_H */
