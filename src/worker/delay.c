/*-------------------------------------------------------------------------
 *
 * delay.c
 *	  How long to wait.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "worker/delay.h"

long
cdr_backoff(long first, int failures, long longest)
{
	double delay =
		Min((double) first * (1L << Min(failures, 20)), (double) longest);

	return (long) (delay * (1.0 - pg_prng_double(&pg_global_prng_state) / 2));
}
