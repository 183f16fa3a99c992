/*-------------------------------------------------------------------------
 *
 * rollup_steps.h
 *	  Counts of the rollup, added up by steps of time and some dimensions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_STEPS_H
#define CDR_ROLLUP_STEPS_H

#include "store/rollup.h"

/* What is asked for. */
typedef struct CdrRollupSteps
{
	const TimestampTz *bounds; /* ascending, one more than there are steps */
	int				   nsteps;
	bool			   by_tenant;
	bool			   by_direction;
	bool by_attempt; /* by the quarter of an hour of the attempt */
	int	 last;		 /* step that was found */
} CdrRollupSteps;

/*
 * The key under which counts of this one are added up, in its place: its bucket is when
 * the step begins, or the attempt if that is later and asked for.  False: it is in none.
 */
extern bool cdr_rollup_step_key(CdrRollupSteps *steps, CdrRollupKey *key);

/* Adds the counts of a rollup. */
extern void cdr_rollup_join_by_steps(CdrRollup *rollup, const CdrRollup *added,
									 CdrRollupSteps *steps);

#endif /* CDR_ROLLUP_STEPS_H */
