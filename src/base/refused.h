/*-------------------------------------------------------------------------
 *
 * refused.h
 *	  Settings whose value was refused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REFUSED_H
#define CDR_REFUSED_H

/* Beginning of the names of all settings. */
#define CDR_GUC_PREFIX "cdr_service."

/*
 * For who defines a setting: the text that was set for it before, or NULL, in
 * the current memory context; and, once it is defined, whether that counts.
 */
extern char *cdr_refused_text(const char *name);
extern void
cdr_refused_note(const char *name, const char *text, bool needs_restart);

/*
 * A setting that has its default because its value was refused when the server
 * started, and that is not corrected yet; NULL: none.  Reads the files of
 * settings.
 */
extern const char *cdr_refused_at_start(void);

/*
 * What is wrong with the files of settings: the names that would be refused, or
 * why they cannot be read, in the current memory context; NULL: nothing.
 */
extern char *cdr_refused_in_files(void);

#endif /* CDR_REFUSED_H */
