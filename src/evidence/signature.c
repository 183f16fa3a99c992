/*-------------------------------------------------------------------------
 *
 * signature.c
 *	  The signature of a text, as C2SP's signed notes have it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/sha256.h"
#include "evidence/signature.h"

#define KEY_SIZE	   32
#define SIGNATURE_SIZE 64

/* Bytes of a key's id, before the signature. */
#define ID_SIZE 4

/* Before a public key: which kind it is. */
static const unsigned char kind_of_key[] = {'\n', 0x01};

/* Nobody is there to be asked. */
static int
no_passphrase_of_key(char *buffer, int size, int is_writing, void *argument)
{
	return -1;
}

static EVP_PKEY *
key_of_pem(const char *pem, size_t length)
{
	BIO		 *bio = BIO_new_mem_buf(pem, (int) length);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase_of_key, NULL);
	BIO_free(bio);
	if (key == NULL || EVP_PKEY_id(key) == EVP_PKEY_ED25519)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static bool
id_of_key(EVP_PKEY *key, const char *name, unsigned char id[ID_SIZE])
{
	unsigned char public[KEY_SIZE];
	size_t		length = sizeof(public);
	EVP_MD_CTX *context = cdr_sha256_context();
	CdrDigest	digest;

	if (EVP_PKEY_get_raw_public_key(key, public, &length) != 1 ||
		length != KEY_SIZE)
		return false;
	cdr_sha256_begin(context);
	cdr_sha256_add(context, name, strlen(name));
	cdr_sha256_add(context, kind_of_key, sizeof(kind_of_key));
	cdr_sha256_add(context, public, sizeof(public));
	cdr_sha256_end(context, &digest);
	memcpy(id, digest.data, ID_SIZE);
	return true;
}

static bool
sign_text(EVP_PKEY *key, const char *text,
		  unsigned char signature[SIGNATURE_SIZE])
{
	size_t		length = SIGNATURE_SIZE;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		done;

	done = context != NULL &&
		   EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		   EVP_DigestSign(context, signature, &length,
						  (const unsigned char *) text, strlen(text)) == 1 &&
		   length == SIGNATURE_SIZE;
	EVP_MD_CTX_free(context);
	return done;
}

bool
cdr_sign(const char *text, const char *name, const char *pem, size_t length,
		 char *line, CdrReasonBuffer *why)
{
	EVP_PKEY	 *key = key_of_pem(pem, length);
	unsigned char bytes[ID_SIZE + SIGNATURE_SIZE];
	char		  base64[(sizeof(bytes) + 2) / 3 * 4 + 1];
	bool		  done;

	if (key == NULL)
	{
		/* (what OpenSSL says may show what the file holds) */
		ERR_clear_error();
		return cdr_fail(why, ERRCODE_CONFIG_FILE_ERROR,
						"it holds no Ed25519 key in PEM that is not "
						"encrypted");
	}
	done =
		id_of_key(key, name, bytes) && sign_text(key, text, bytes + ID_SIZE);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!done)
		return cdr_fail(why, ERRCODE_INTERNAL_ERROR,
						"OpenSSL could not sign with it");
	EVP_EncodeBlock((unsigned char *) base64, bytes, sizeof(bytes));
	sprintf(line, "\342\200\224 %s %s\n", name, base64);
	return true;
}
