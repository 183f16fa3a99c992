/*-------------------------------------------------------------------------
 *
 * log_key.h
 *	  The key of a row of the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LOG_KEY_H
#define CDR_LOG_KEY_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "store/cursor.h"

typedef struct CdrLogKey
{
	const char *call_id;
	pg_uuid_t	event_id;
	TimestampTz time;
} CdrLogKey;

/* By call, then identity, then time: the order of the unique index. */
extern int cdr_log_key_compare(const CdrLogKey *a, const CdrLogKey *b);

/* Sorts keys; returns how many are left when each is there once. */
extern int cdr_log_keys_sort(CdrLogKey *keys, int count);

/* Keys as parameters, three arrays; the first two say which event of a call it is. */
extern CdrArguments
cdr_log_key_arguments(const CdrLogKey *keys, int count, int nparameters);

#endif /* CDR_LOG_KEY_H */
