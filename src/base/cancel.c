/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  What a cancel means to a worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "tcop/tcopprot.h"

#include "base/cancel.h"

static volatile sig_atomic_t in_transaction = false;
static volatile sig_atomic_t cancel_seen = false;

void
cdr_cancel_handle(SIGNAL_ARGS)
{
	if (in_transaction)
	{
		cancel_seen = true;
		StatementCancelHandler(postgres_signal_arg);
	}
}

void
cdr_cancel_begin(void)
{
	in_transaction = true;
}

void
cdr_cancel_end(void)
{
	in_transaction = false;
	QueryCancelPending = false;
}

bool
cdr_cancel_was_seen(void)
{
	return cancel_seen;
}

void
cdr_cancel_forget(void)
{
	cancel_seen = false;
}
