/*-------------------------------------------------------------------------
 *
 * pseudonym.c
 *	  What stands in place of an id that was erased.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/pseudonym.h"

static void
keyed_digest(const CdrPseudonymKey *key, const void *id, size_t length,
			 unsigned char *digest)
{
	unsigned char all[EVP_MAX_MD_SIZE];
	unsigned int  size;

	if (HMAC(EVP_sha256(), key->data, sizeof(key->data), id, length, all,
			 &size) == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("could not compute a keyed digest")));
	memcpy(digest, all, UUID_LEN);
}

void
cdr_pseudonym_of_call(const CdrPseudonymKey *key, const char *call_id,
					  size_t length, char *pseudonym)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char	  digest[UUID_LEN];
	char			 *next = pseudonym + strlen(CDR_PSEUDONYM_PREFIX);

	keyed_digest(key, call_id, length, digest);
	memcpy(pseudonym, CDR_PSEUDONYM_PREFIX, strlen(CDR_PSEUDONYM_PREFIX));
	for (int i = 0; i < UUID_LEN; i++)
	{
		*next++ = digits[digest[i] >> 4];
		*next++ = digits[digest[i] & 15];
	}
	*next = '\0';
}

void
cdr_pseudonym_of_event(const CdrPseudonymKey *key, const pg_uuid_t *id,
					   pg_uuid_t *pseudonym)
{
	keyed_digest(key, id->data, UUID_LEN, pseudonym->data);
}
