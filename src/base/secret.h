/*-------------------------------------------------------------------------
 *
 * secret.h
 *	  Files that hold a secret, and are read only if they are safe.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SECRET_H
#define CDR_SECRET_H

#include "base/reason.h"

/*
 * Reads a file into buffer, at most size bytes.  The file must be regular and
 * either ours with no access for others, or root's with at most read access
 * for the group, as the server demands of its own TLS keys.  what is what to
 * call it ("password file").  Returns how many bytes were read; or -1, with a
 * reason that never holds any of them.
 */
extern ssize_t
cdr_secret_read(const char *path, const char *what, char *buffer, size_t size,
				CdrReasonBuffer *reason);

#endif /* CDR_SECRET_H */
