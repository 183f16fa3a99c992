/*-------------------------------------------------------------------------
 *
 * pseudonym.h
 *	  What stands in place of an id that was erased.
 *
 * The first 16 bytes of HMAC-SHA256(key, id).  Who has the key finds the same for the
 * same id; without it nobody tells which id it was, nor tries them out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PSEUDONYM_H
#define CDR_PSEUDONYM_H

#include "base/message.h"

#define CDR_PSEUDONYM_KEY_SIZE 32

typedef struct CdrPseudonymKey
{
	unsigned char data[CDR_PSEUDONYM_KEY_SIZE];
} CdrPseudonymKey;

/* What a call id that is a pseudonym begins with; 32 digits follow. */
#define CDR_PSEUDONYM_PREFIX "erased:"

/* Room for a call id that is one, with its end. */
#define CDR_PSEUDONYM_CALL_SIZE (sizeof(CDR_PSEUDONYM_PREFIX) + 2 * UUID_LEN)

/* Both throw an ERROR (out_of_memory) if OpenSSL cannot do it. */
extern void
cdr_pseudonym_of_call(const CdrPseudonymKey *key, const char *call_id,
					  size_t length, char *pseudonym);
extern void cdr_pseudonym_of_event(const CdrPseudonymKey *key,
								   const pg_uuid_t *id, pg_uuid_t *pseudonym);

#endif /* CDR_PSEUDONYM_H */
