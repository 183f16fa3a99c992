/*-------------------------------------------------------------------------
 *
 * password.h
 *	  The RabbitMQ user's password: the first line of a file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PASSWORD_H
#define CDR_PASSWORD_H

#include "base/reason.h"

/* Longer ones are refused. */
#define CDR_PASSWORD_MAX 255

/*
 * Reads the first line of a file that is safe (see secret.h) into password.
 * False, with a reason that never holds the password, if that cannot be.
 */
extern bool
cdr_password_read(const char *path, char password[CDR_PASSWORD_MAX + 1],
				  CdrReasonBuffer *reason);

#endif /* CDR_PASSWORD_H */
