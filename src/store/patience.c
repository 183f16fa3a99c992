/*-------------------------------------------------------------------------
 *
 * patience.c
 *	  How long a transaction of the worker may take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/timeout.h"

#include "store/patience.h"

void
cdr_patience_begin(CdrPatience patience)
{
	char lock[32];

	snprintf(lock, sizeof(lock), "%dms", patience.lock);
	(void) set_config_option("lock_timeout", lock, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	enable_timeout_after(STATEMENT_TIMEOUT, patience.total);
}

void
cdr_patience_end(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
}
