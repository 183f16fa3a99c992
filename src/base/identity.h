/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  The identity of an event: the first 128 bits of SHA-256 over the AMQP
 *	  message-id (if any) and the body, byte for byte.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_IDENTITY_H
#define CDR_IDENTITY_H

#include <openssl/evp.h>

#include "utils/uuid.h"

/* All of these throw an ERROR (out_of_memory) if OpenSSL cannot do it. */

/* Of a body that is at hand. */
extern void
cdr_identity_of(const char *message_id, size_t message_id_length,
				const char *body, size_t body_length, pg_uuid_t *id);

/*
 * Of a body that comes piece by piece: begin, add the message-id and
 * each piece, end.  End frees the context, with or without an
 * id to fill in.
 */
extern EVP_MD_CTX *cdr_identity_begin(void);
extern void
cdr_identity_add(EVP_MD_CTX *context, const void *data, size_t length);
extern void cdr_identity_end(EVP_MD_CTX *context, pg_uuid_t *id);

#endif /* CDR_IDENTITY_H */
