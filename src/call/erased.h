/*-------------------------------------------------------------------------
 *
 * erased.h
 *	  What is left of a call, and of what an event says of it, when those who took
 *	  part are erased.
 *
 * Gone are the numbers, the user, the contact and the recording.  Times, their
 * ranks, direction, trunk, tenant, cause and source stay: so does all that follows
 * from them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ERASED_H
#define CDR_ERASED_H

#include "call/merge.h"

/* Changes the id of an event to what stands in its place. */
typedef void (*CdrRename)(pg_uuid_t *id, const void *argument);

/* Erases what a call says, but for its call_id; what it points to stays as it is. */
extern void
cdr_call_erase(CdrCall *call, CdrRename rename, const void *argument);

/* The same for what an event says: its facts and corrections become copies, in the
 * current context. */
extern void cdr_event_erase(CdrEvent *event);

#endif /* CDR_ERASED_H */
