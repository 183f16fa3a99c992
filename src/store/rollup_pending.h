/*-------------------------------------------------------------------------
 *
 * rollup_pending.h
 *	  What the transaction has changed and not written to the rollup yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_PENDING_H
#define CDR_ROLLUP_PENDING_H

#include "store/rollup.h"

/* What the (sub)transaction that runs adds to. */
extern CdrRollup *cdr_rollup_pending(void);

/* Writes it, if it has become too large. */
extern void cdr_rollup_bound_pending(void);

/* Adds all that is pending (sign 1), or takes it away (-1). */
extern void cdr_rollup_join_pending(CdrRollup *rollup, int sign);

#endif /* CDR_ROLLUP_PENDING_H */
