/*-------------------------------------------------------------------------
 *
 * recent.h
 *	  A memory of the identities that came lately: a hint, and no more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RECENT_H
#define CDR_RECENT_H

#include "utils/uuid.h"

/* For _PG_init(), while the library is preloaded. */
extern void cdr_recent_init(void);

/*
 * Has this identity come before?  Remembers it.  False may be wrong, and so may
 * true, once in hundreds of millions.  Without shared memory, always false.
 */
extern bool cdr_recent_repeats(const pg_uuid_t *id);

/* The same for a call. */
extern bool cdr_recent_call(const char *call_id);

/* What is remembered has proved wrong: begins anew, with calls, too. */
extern void cdr_recent_forget(void);

#endif /* CDR_RECENT_H */
