/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  The identity of an event: the first 128 bits of SHA-256 over the length
 *	  of the AMQP message-id (4 bytes, big-endian; ff ff ff ff without one), the
 *	  message-id, and the body, byte for byte.  That of a CloudEvent: over
 *	  ff ff ff fe, and its source and its id, each behind its length.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_IDENTITY_H
#define CDR_IDENTITY_H

#include <openssl/evp.h>

#include "base/message.h"

/*
 * All of these throw an ERROR (out_of_memory) if OpenSSL cannot do it.  A
 * message-id of NULL is none, which is not the same as an empty one.
 */

/* Of a body that is at hand, and all of the digest. */
extern void cdr_identity_of(const char *message_id, size_t message_id_length,
							const char *body, size_t body_length,
							pg_uuid_t *id, CdrDigest *digest);

/* Of a CloudEvent. */
extern void cdr_identity_of_cloudevent(const char *source,
									   const char *source_id, pg_uuid_t *id);

/*
 * Of a body that comes piece by piece: begin, add each piece, end.  End frees
 * the context, with or without an id to fill in.
 */
extern EVP_MD_CTX *
cdr_identity_begin(const char *message_id, size_t message_id_length);
extern void
cdr_identity_add(EVP_MD_CTX *context, const void *data, size_t length);
extern void cdr_identity_end(EVP_MD_CTX *context, pg_uuid_t *id);

#endif /* CDR_IDENTITY_H */
