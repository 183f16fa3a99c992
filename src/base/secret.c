/*-------------------------------------------------------------------------
 *
 * secret.c
 *	  Files that hold a secret, and are read only if they are safe.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

/* Checked on the open file, so that it cannot be exchanged in between. */
static bool
is_safe(int fd, const char *path, const char *what, CdrReasonBuffer *reason)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
						"could not stat %s \"%s\": %s", what, path,
						strerror(errno));
	if (!S_ISREG(st.st_mode))
		return cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
						"%s \"%s\" is not a regular file", what, path);
	if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0) ||
		(st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0))
		return true;
	return cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
					"%s \"%s\" must be readable by the server's user alone "
					"(mode 0600), or owned by root with mode 0640 or less",
					what, path);
}

/* Reads until the end or the size; false, with errno, if that fails. */
static bool
read_all(int fd, char *buffer, size_t size, ssize_t *length)
{
	*length = 0;
	while ((size_t) *length < size)
	{
		ssize_t count = read(fd, buffer + *length, size - *length);

		if (count < 0)
			return false;
		if (count == 0)
			break;
		*length += count;
	}
	return true;
}

ssize_t
cdr_secret_read(const char *path, const char *what, char *buffer, size_t size,
				CdrReasonBuffer *reason)
{
	/* not to block on a FIFO */
	int		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length = -1;

	if (fd < 0)
	{
		cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
				 "could not open %s \"%s\": %s", what, path, strerror(errno));
		return -1;
	}
	if (is_safe(fd, path, what, reason) &&
		!read_all(fd, buffer, size, &length))
	{
		cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
				 "could not read %s \"%s\": %s", what, path, strerror(errno));
		explicit_bzero(buffer, size);
		length = -1;
	}
	close(fd);
	return length;
}
