/*-------------------------------------------------------------------------
 *
 * warnings.h
 *	  What a session gives reason to fear, though nothing has gone wrong yet.
 *
 * Each warning has a key, so that it can be replaced and taken back, and is
 * logged, with its hint, when it is new.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WARNINGS_H
#define CDR_WARNINGS_H

#define CDR_WARNINGS_MAX   16
#define CDR_WARNING_LENGTH 384

typedef struct CdrWarning
{
	char key[32];
	char text[CDR_WARNING_LENGTH];
} CdrWarning;

typedef struct CdrWarnings
{
	int		   count;
	CdrWarning list[CDR_WARNINGS_MAX]; /* in the order in which they came */
	bool	   changed;				   /* since the text was taken */
	char	   text[1024];			   /* all of them */
} CdrWarnings;

/* Forgets all; what is still true is said again. */
extern void cdr_warnings_clear(CdrWarnings *warnings);

/* Warns, in place of an earlier warning with this key. */
extern void
cdr_warnings_set(CdrWarnings *warnings, const char *key, const char *hint,
				 const char *format, ...) pg_attribute_printf(4, 5);

/* Takes a warning back, if there is one with this key. */
extern void cdr_warnings_unset(CdrWarnings *warnings, const char *key);

extern bool cdr_warnings_has(const CdrWarnings *warnings, const char *key);

/* All of them, joined by "; "; "": none. */
extern const char *cdr_warnings_text(CdrWarnings *warnings);

#endif /* CDR_WARNINGS_H */
