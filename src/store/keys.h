/*-------------------------------------------------------------------------
 *
 * keys.h
 *	  The keys of events that a statement returns: call and identity.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_KEYS_H
#define CDR_KEYS_H

#include "event/event.h"

typedef struct CdrEventKey
{
	const char *call_id;
	pg_uuid_t	id;
} CdrEventKey;

/*
 * Adds the keys of the result of the last statement, of which the first two
 * columns are call and identity, to some of which there are *count, allocated in
 * the current context; frees the result.
 */
extern void cdr_keys_add_result(CdrEventKey *keys, int *count);

/* The same, alone and sorted. */
extern CdrEventKey *cdr_result_keys(int *count);

extern void cdr_sort_keys(CdrEventKey *keys, int count);

/* Is that of the event among some that are sorted? */
extern bool
cdr_is_among(const CdrEvent *event, const CdrEventKey *keys, int count);

#endif /* CDR_KEYS_H */
