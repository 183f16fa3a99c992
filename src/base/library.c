/*-------------------------------------------------------------------------
 *
 * library.c
 *	  The library: its version, and the file that it was loaded from.
 *
 * A server goes on with the library that it started with, whatever happens to
 * its file.  That shows nowhere but here: a package that repairs something has
 * the version of the one before, as SQL knows it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include "base/library.h"

static char		   library_path[MAXPGPATH];
static struct stat library_loaded; /* meaningless without a path */

void
cdr_library_note(void)
{
	Dl_info found;

	if (dladdr((void *) cdr_library_note, &found) != 0 &&
		found.dli_fname != NULL && stat(found.dli_fname, &library_loaded) == 0)
		strlcpy(library_path, found.dli_fname, sizeof(library_path));
}

CdrLibraryFile
cdr_library_file(const char **path)
{
	struct stat now;

	*path = library_path;
	if (library_path[0] == '\0')
		return CDR_LIBRARY_AS_LOADED;
	if (stat(library_path, &now) != 0)
		return errno == ENOENT || errno == ENOTDIR ? CDR_LIBRARY_GONE
												   : CDR_LIBRARY_AS_LOADED;
	return now.st_dev == library_loaded.st_dev &&
				   now.st_ino == library_loaded.st_ino &&
				   now.st_size == library_loaded.st_size &&
				   now.st_mtime == library_loaded.st_mtime
			   ? CDR_LIBRARY_AS_LOADED
			   : CDR_LIBRARY_REPLACED;
}

int
cdr_version_number(const char *version)
{
	int	 major;
	int	 minor;
	char more;

	if (sscanf(version, "%4d.%4d%c", &major, &minor, &more) != 2 ||
		major < 0 || minor < 0)
		return -1;
	return major * 10000 + minor;
}
