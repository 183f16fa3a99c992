/*-------------------------------------------------------------------------
 *
 * sha256.h
 *	  SHA-256.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SHA256_H
#define CDR_SHA256_H

#include <openssl/evp.h>

#include "base/message.h"

/*
 * A context for the life of the process, for a digest that is begun and ended
 * before anybody else needs one.
 */
extern EVP_MD_CTX *cdr_sha256_context(void);

/* All throw an ERROR (out_of_memory) if OpenSSL cannot do it, as for a context of
 * NULL. */
extern void cdr_sha256_begin(EVP_MD_CTX *context);
extern void
cdr_sha256_add(EVP_MD_CTX *context, const void *data, size_t length);
extern void cdr_sha256_end(EVP_MD_CTX *context, CdrDigest *digest);

#endif /* CDR_SHA256_H */
