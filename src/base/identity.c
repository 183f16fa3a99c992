/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  The identity of an event.
 *
 * Through OpenSSL, as the server computes SHA-256, but not through the
 * server's wrapper: that needs a resource owner, which a worker between
 * transactions has not.
 *
 * A digest that cannot be had is an error, never a value: events with the same
 * identity are one event.  OpenSSL that was short of memory once, when it set
 * itself up, may fail for the rest of the process; so the error should end it.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "port/pg_bswap.h"

#include "base/compat.h"
#include "base/identity.h"

/* In place of the length of a message-id, which is shorter than any of these. */
#define NO_MESSAGE_ID 0xffffffff
#define CLOUDEVENT	  0xfffffffe

static void
check(bool done)
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
sha256(void)
{
	static const EVP_MD *algorithm = NULL;

	if (algorithm == NULL)
		algorithm = cdr_fetch_sha256();
	check(algorithm != NULL);
	return algorithm;
}

/* Leaves the digest in *digest, and its first 128 bits in *id. */
static void
finish(EVP_MD_CTX *context, pg_uuid_t *id, CdrDigest *digest)
{
	check(EVP_DigestFinal_ex(context, digest->data, NULL) == 1);
	memcpy(id->data, digest->data, UUID_LEN);
}

/*
 * The message-id goes before the body with its length, so that no byte can
 * belong to either.
 */
static void
begin(EVP_MD_CTX *context, const char *message_id, size_t length)
{
	uint32 prefix = pg_hton32(message_id == NULL ? NO_MESSAGE_ID : length);

	check(context != NULL && EVP_DigestInit_ex(context, sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(context, &prefix, sizeof(prefix)) == 1);
	if (message_id != NULL)
		check(EVP_DigestUpdate(context, message_id, length) == 1);
}

/* One for the life of the process: to make one costs as much as to use it. */
static EVP_MD_CTX *
lasting_context(void)
{
	static EVP_MD_CTX *context = NULL;

	if (context == NULL)
		context = EVP_MD_CTX_new();
	return context;
}

void
cdr_identity_of(const char *message_id, size_t message_id_length,
				const char *body, size_t body_length, pg_uuid_t *id,
				CdrDigest *digest)
{
	EVP_MD_CTX *context = lasting_context();

	begin(context, message_id, message_id_length);
	check(EVP_DigestUpdate(context, body, body_length) == 1);
	finish(context, id, digest);
}

static void
add_counted(EVP_MD_CTX *context, const char *text)
{
	uint32 length = pg_hton32(strlen(text));

	check(EVP_DigestUpdate(context, &length, sizeof(length)) == 1 &&
		  EVP_DigestUpdate(context, text, strlen(text)) == 1);
}

void
cdr_identity_of_cloudevent(const char *source, const char *source_id,
						   pg_uuid_t *id)
{
	EVP_MD_CTX *context = lasting_context();
	uint32		marker = pg_hton32(CLOUDEVENT);
	CdrDigest	digest;

	check(context != NULL && EVP_DigestInit_ex(context, sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(context, &marker, sizeof(marker)) == 1);
	add_counted(context, source);
	add_counted(context, source_id);
	finish(context, id, &digest);
}

EVP_MD_CTX *
cdr_identity_begin(const char *message_id, size_t message_id_length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	begin(context, message_id, message_id_length);
	return context;
}

void
cdr_identity_add(EVP_MD_CTX *context, const void *data, size_t length)
{
	check(EVP_DigestUpdate(context, data, length) == 1);
}

void
cdr_identity_end(EVP_MD_CTX *context, pg_uuid_t *id)
{
	CdrDigest digest;

	if (id != NULL)
		finish(context, id, &digest);
	EVP_MD_CTX_free(context);
}
