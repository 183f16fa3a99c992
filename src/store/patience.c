/*-------------------------------------------------------------------------
 *
 * patience.c
 *	  How long a transaction of the worker may take.
 *
 * Where its time is over, the statement is cancelled, as statement_timeout would.
 * A trigger may catch that, and go on for ever, with all its locks; nobody could
 * even switch it off.  So the cancel comes again, a few times, and where it was
 * caught each time, the process ends: that cannot be caught.  While a cancel is not
 * noticed at all, nothing is concluded: the server is in the kernel, waiting for its
 * disk, or in code that would notice no end either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "store/patience.h"

/* How often a cancel is caught, the first included, until the process ends. */
#define CANCELS 3

/* Milliseconds between them: a part of the time that there was. */
#define CANCEL_PART		 10
#define CANCEL_DELAY_MIN 200
#define CANCEL_DELAY_MAX 1000

static TimeoutId			 watch;
static bool					 is_registered = false;
static volatile sig_atomic_t cancels;
static volatile sig_atomic_t is_lost = false;

/* A signal handler: the time was over some while ago. */
static void
watch_cancel(void)
{
	if (QueryCancelPending)
		return;
	if (cancels++ < CANCELS)
	{
		(void) kill(MyProcPid, SIGINT);
		return;
	}
	is_lost = true;
	InterruptPending = true;
	ProcDiePending = true;
	SetLatch(MyLatch);
}

void
cdr_patience_begin(CdrPatience patience)
{
	int	 delay = Min(Max(patience.total / CANCEL_PART, CANCEL_DELAY_MIN),
					 CANCEL_DELAY_MAX);
	char lock[32];

	if (!is_registered)
		watch = RegisterTimeout(USER_TIMEOUT, watch_cancel);
	is_registered = true;
	snprintf(lock, sizeof(lock), "%dms", patience.lock);
	(void) set_config_option("lock_timeout", lock, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	cancels = 1;
	enable_timeout_after(STATEMENT_TIMEOUT, patience.total);
	enable_timeout_every(watch,
						 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 patience.total + delay),
						 delay);
}

void
cdr_patience_end(void)
{
	DisableTimeoutParams timeouts[2] = {{.id = STATEMENT_TIMEOUT},
										{.id = watch}};

	if (is_registered)
		disable_timeouts(timeouts, lengthof(timeouts));
}

bool
cdr_patience_is_lost(void)
{
	return is_lost;
}
