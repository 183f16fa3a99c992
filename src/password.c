/*-------------------------------------------------------------------------
 *
 * password.c
 *	  The RabbitMQ user's password, out of a file that is safe.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "password.h"

/* Checked on the open file, so that it cannot be exchanged in between. */
static bool
is_safe(int fd, const char *path, char **error)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
	{
		*error = psprintf("could not stat password file \"%s\": %s", path,
						  strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode))
	{
		*error = psprintf("password file \"%s\" is not a regular file", path);
		return false;
	}
	if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0) ||
		(st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0))
		return true;
	*error = psprintf("password file \"%s\" must be readable by the server's "
					  "user alone (mode 0600), or owned by root with mode "
					  "0640 or less",
					  path);
	return false;
}

bool
cdr_password_read(const char *path, char password[CDR_PASSWORD_MAX + 1],
				  char **error)
{
	/* not to block on a FIFO */
	int		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char	buffer[CDR_PASSWORD_MAX + 2];
	ssize_t length;
	bool	safe;

	if (fd < 0)
	{
		*error = psprintf("could not open password file \"%s\": %s", path,
						  strerror(errno));
		return false;
	}
	safe = is_safe(fd, path, error);
	length = safe ? read(fd, buffer, sizeof(buffer) - 1) : -1;
	close(fd);
	if (!safe)
		return false;
	if (length < 0)
	{
		*error = psprintf("could not read password file \"%s\": %s", path,
						  strerror(errno));
		return false;
	}

	buffer[length] = '\0';
	buffer[strcspn(buffer, "\r\n")] = '\0';
	if (strlen(buffer) == 0 || strlen(buffer) > CDR_PASSWORD_MAX)
	{
		explicit_bzero(buffer, sizeof(buffer));
		*error = psprintf("the first line of password file \"%s\" must have "
						  "1 to %d bytes",
						  path, CDR_PASSWORD_MAX);
		return false;
	}
	strlcpy(password, buffer, CDR_PASSWORD_MAX + 1);
	explicit_bzero(buffer, sizeof(buffer));
	return true;
}
