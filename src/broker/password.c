/*-------------------------------------------------------------------------
 *
 * password.c
 *	  The RabbitMQ user's password: the first line of a file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/secret.h"
#include "broker/password.h"

bool
cdr_password_read(const char *path, char password[CDR_PASSWORD_MAX + 1],
				  CdrReasonBuffer *reason)
{
	char	buffer[CDR_PASSWORD_MAX + 2];
	ssize_t length = cdr_secret_read(path, "password file", buffer,
									 sizeof(buffer) - 1, reason);
	bool	fits;

	if (length < 0)
		return false;
	buffer[length] = '\0';
	buffer[strcspn(buffer, "\r\n")] = '\0';
	fits = strlen(buffer) > 0 && strlen(buffer) <= CDR_PASSWORD_MAX;
	if (fits)
		strlcpy(password, buffer, CDR_PASSWORD_MAX + 1);
	else
		cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
				 "the first line of password file \"%s\" must have "
				 "1 to %d bytes",
				 path, CDR_PASSWORD_MAX);
	explicit_bzero(buffer, sizeof(buffer));
	return fits;
}
