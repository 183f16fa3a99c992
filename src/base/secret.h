/*-------------------------------------------------------------------------
 *
 * secret.h
 *	  Files that hold a secret, and are read only if they are safe.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SECRET_H
#define CDR_SECRET_H

/*
 * Reads a file into buffer, at most size bytes.  The file must be regular and
 * either ours with no access for others, or root's with at most read access
 * for the group, as the server demands of its own TLS keys.  what is what to
 * call it ("password file").  Returns how many bytes were read; or -1, with
 * the reason, which never holds any of them, at error (in the current
 * context).
 */
extern ssize_t cdr_secret_read(const char *path, const char *what,
							   char *buffer, size_t size, char **error);

#endif /* CDR_SECRET_H */
