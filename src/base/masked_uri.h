/*-------------------------------------------------------------------------
 *
 * masked_uri.h
 *	  A list of URIs with the passwords in it masked, to be shown.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MASKED_URI_H
#define CDR_MASKED_URI_H

/* What stands between the URIs of a list: any number of these. */
#define CDR_URI_SEPARATORS ", "

typedef enum CdrUriSecrecy
{
	CDR_URI_PLAIN,	/* no password in it: shown as it is */
	CDR_URI_MASKED, /* each password is masked */
	CDR_URI_HIDDEN	/* not understood: all of it is masked */
} CdrUriSecrecy;

/* Bytes that a list of this length may take when it is masked. */
#define CDR_MASKED_URI_SIZE(length) (2 * (length) + 9)

/* Writes to shown, of CDR_MASKED_URI_SIZE, what may be shown of the URIs. */
extern CdrUriSecrecy cdr_masked_uri(const char *uris, char *shown);

#endif /* CDR_MASKED_URI_H */
