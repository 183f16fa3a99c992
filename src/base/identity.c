/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  The identity of an event.
 *
 * A digest that cannot be had is an error, never a value: events with the same
 * identity are one event.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "port/pg_bswap.h"

#include "base/identity.h"
#include "base/sha256.h"

/* In place of the length of a message-id, which is shorter than any of these. */
#define NO_MESSAGE_ID 0xffffffff
#define CLOUDEVENT	  0xfffffffe

/* Leaves the digest in *digest, and its first 128 bits in *id. */
static void
finish(EVP_MD_CTX *context, pg_uuid_t *id, CdrDigest *digest)
{
	cdr_sha256_end(context, digest);
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

	cdr_sha256_begin(context);
	cdr_sha256_add(context, &prefix, sizeof(prefix));
	if (message_id != NULL)
		cdr_sha256_add(context, message_id, length);
}

void
cdr_identity_of(const char *message_id, size_t message_id_length,
				const char *body, size_t body_length, pg_uuid_t *id,
				CdrDigest *digest)
{
	EVP_MD_CTX *context = cdr_sha256_context();

	begin(context, message_id, message_id_length);
	cdr_sha256_add(context, body, body_length);
	finish(context, id, digest);
}

static void
add_counted(EVP_MD_CTX *context, const char *text)
{
	uint32 length = pg_hton32(strlen(text));

	cdr_sha256_add(context, &length, sizeof(length));
	cdr_sha256_add(context, text, strlen(text));
}

void
cdr_identity_of_cloudevent(const char *source, const char *source_id,
						   pg_uuid_t *id)
{
	EVP_MD_CTX *context = cdr_sha256_context();
	uint32		marker = pg_hton32(CLOUDEVENT);
	CdrDigest	digest;

	cdr_sha256_begin(context);
	cdr_sha256_add(context, &marker, sizeof(marker));
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
	cdr_sha256_add(context, data, length);
}

void
cdr_identity_end(EVP_MD_CTX *context, pg_uuid_t *id)
{
	CdrDigest digest;

	if (id != NULL)
		finish(context, id, &digest);
	EVP_MD_CTX_free(context);
}
