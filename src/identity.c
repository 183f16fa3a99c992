/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  The identity of an event.
 *
 * Through OpenSSL, as the server computes SHA-256, but not through the
 * server's wrapper: that needs a resource owner, which a worker between
 * transactions has not.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "identity.h"

/* Leaves the first 128 bits of the digest in *id. */
static bool
finish(EVP_MD_CTX *context, pg_uuid_t *id)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (!EVP_DigestFinal_ex(context, digest, NULL))
		return false;
	memcpy(id->data, digest, UUID_LEN);
	return true;
}

bool
cdr_identity_of(const char *message_id, size_t message_id_length,
				const char *body, size_t body_length, pg_uuid_t *id)
{
	/* one for the life of the process: to make one costs as much as to use it */
	static EVP_MD_CTX *context = NULL;

	if (context == NULL && (context = EVP_MD_CTX_new()) == NULL)
		return false;
	return EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
		   EVP_DigestUpdate(context, message_id, message_id_length) &&
		   EVP_DigestUpdate(context, body, body_length) && finish(context, id);
}

EVP_MD_CTX *
cdr_identity_begin(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context != NULL && !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
	{
		EVP_MD_CTX_free(context);
		return NULL;
	}
	return context;
}

bool
cdr_identity_add(EVP_MD_CTX *context, const void *data, size_t length)
{
	return EVP_DigestUpdate(context, data, length) == 1;
}

bool
cdr_identity_end(EVP_MD_CTX *context, pg_uuid_t *id)
{
	bool done = id != NULL && finish(context, id);

	EVP_MD_CTX_free(context);
	return done;
}
