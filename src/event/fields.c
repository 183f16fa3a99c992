/*-------------------------------------------------------------------------
 *
 * fields.c
 *	  What a body says of its event, or why it is none.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/fields.h"

const CdrReason *
cdr_no_event(int sqlerrcode, const char *message)
{
	CdrReason *reason = palloc0(sizeof(CdrReason));

	reason->sqlerrcode = sqlerrcode;
	reason->message = message;
	return reason;
}
