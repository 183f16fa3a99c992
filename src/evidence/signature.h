/*-------------------------------------------------------------------------
 *
 * signature.h
 *	  The signature of a text, as C2SP's signed notes have it.
 *
 * A signed note is a text, an empty line, and a line for each signature:
 *
 *		"— " name " " base64(id || signature)
 *
 * The signature is of the text, by Ed25519; id is the first four bytes of
 * H(name || 0a || 01 || public key), by which a reader finds the key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SIGNATURE_H
#define CDR_SIGNATURE_H

#include "base/reason.h"

/* Of a name, the bytes of a line with it. */
#define CDR_SIGNATURE_SIZE(name) (strlen(name) + 104)

/*
 * Writes that line, with its end, for a key in PEM.  False, with a reason that
 * never holds anything of the key, where it is none of Ed25519, or encrypted.
 */
extern bool cdr_sign(const char *text, const char *name, const char *pem,
					 size_t length, char *line, CdrReasonBuffer *why);

#endif /* CDR_SIGNATURE_H */
