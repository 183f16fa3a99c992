/*-------------------------------------------------------------------------
 *
 * rollup_steps.c
 *	  Counts of the rollup, added up by steps of time and some dimensions.
 *
 * A day of 12 tenants is some ten thousand rows of the rollup, and 24 steps: so they are
 * added up here, and not by the executor, which would make a row of each first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/rollup_steps.h"

/* The step that a time is in; -1: none. */
static int
step_of_time(CdrRollupSteps *steps, TimestampTz time)
{
	const TimestampTz *bounds = steps->bounds;
	int				   low = 0;
	int				   high = steps->nsteps;

	if (time < bounds[0] || time >= bounds[high])
		return -1;
	/* rows come in the order of time, mostly */
	if (time >= bounds[steps->last] && time < bounds[steps->last + 1])
		return steps->last;
	while (high - low > 1)
	{
		int middle = low + (high - low) / 2;

		if (time < bounds[middle])
			high = middle;
		else
			low = middle;
	}
	return steps->last = low;
}

bool
cdr_rollup_step_key(CdrRollupSteps *steps, CdrRollupKey *key)
{
	int			step = step_of_time(steps, key->bucket);
	TimestampTz attempt = key->bucket - key->quarters * CDR_QUARTER;

	if (step < 0)
		return false;
	key->bucket = steps->bounds[step];
	if (steps->by_attempt)
		key->bucket = Max(key->bucket, attempt);
	key->quarters = steps->by_attempt
						? (int32) ((key->bucket - attempt) / CDR_QUARTER)
						: 0;
	if (!steps->by_tenant)
		key->text[CDR_ROLLUP_TENANT] = (CdrRollupText){NULL, 0};
	if (!steps->by_direction)
		key->text[CDR_ROLLUP_DIRECTION] = (CdrRollupText){NULL, 0};
	return true;
}

void
cdr_rollup_join_by_steps(CdrRollup *rollup, const CdrRollup *added,
						 CdrRollupSteps *steps)
{
	CdrRollupCursor cursor = {added, 0};
	CdrRollupEntry *entry;

	while ((entry = cdr_rollup_next(&cursor)) != NULL)
	{
		CdrRollupKey key = entry->key;

		if (cdr_rollup_step_key(steps, &key))
			cdr_rollup_add(cdr_rollup_entry(rollup, &key)->counts,
						   entry->counts, 1);
	}
}
