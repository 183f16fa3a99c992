/*-------------------------------------------------------------------------
 *
 * sha256.c
 *	  SHA-256.
 *
 * Through OpenSSL, as the server computes it, but not through the server's
 * wrapper: that needs a resource owner, which a worker between transactions has
 * not.
 *
 * A digest that cannot be had is an error, never a value.  OpenSSL that was short
 * of memory once, when it set itself up, may fail for the rest of the process; so
 * the error should end it.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/compat.h"
#include "base/sha256.h"

static void
sha256_check(bool done)
{
	if (done)
		return;
#ifdef FRONTEND
	abort();
#else
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
					errmsg("could not compute SHA-256")));
#endif
}

/*
 * The algorithm, looked up once for the life of the process: to have OpenSSL look
 * for it costs as much as to hash a body.
 */
static const EVP_MD *
algorithm(void)
{
	static const EVP_MD *fetched = NULL;

	if (fetched == NULL)
		fetched = cdr_fetch_sha256();
	sha256_check(fetched != NULL);
	return fetched;
}

/* To make one costs as much as to use it. */
EVP_MD_CTX *
cdr_sha256_context(void)
{
	static EVP_MD_CTX *context = NULL;

	if (context == NULL)
		context = EVP_MD_CTX_new();
	return context;
}

void
cdr_sha256_begin(EVP_MD_CTX *context)
{
	sha256_check(context != NULL &&
				 EVP_DigestInit_ex(context, algorithm(), NULL) == 1);
}

void
cdr_sha256_add(EVP_MD_CTX *context, const void *data, size_t length)
{
	sha256_check(EVP_DigestUpdate(context, data, length) == 1);
}

void
cdr_sha256_end(EVP_MD_CTX *context, CdrDigest *digest)
{
	sha256_check(EVP_DigestFinal_ex(context, digest->data, NULL) == 1);
}
