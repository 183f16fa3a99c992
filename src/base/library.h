/*-------------------------------------------------------------------------
 *
 * library.h
 *	  The library: its version, and the file that it was loaded from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LIBRARY_H
#define CDR_LIBRARY_H

/* Is the file that was loaded still the one that is there? */
typedef enum CdrLibraryFile
{
	CDR_LIBRARY_AS_LOADED, /* as far as is known */
	CDR_LIBRARY_REPLACED,
	CDR_LIBRARY_GONE
} CdrLibraryFile;

/* To be called when the library is loaded: remembers its file. */
extern void cdr_library_note(void);

/* What has become of the file since, and its path. */
extern CdrLibraryFile cdr_library_file(const char **path);

/* Major and minor version, as one number that grows; -1: it is no version. */
extern int cdr_version_number(const char *version);

#endif /* CDR_LIBRARY_H */
