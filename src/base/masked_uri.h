/*-------------------------------------------------------------------------
 *
 * masked_uri.h
 *	  A list of URIs: whether it is sound, and what of it may be shown.
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
	CDR_URI_UNSOUND /* not understood: nothing of it may be shown */
} CdrUriSecrecy;

/* What is wrong with a list; constants, which hold nothing of it. */
typedef struct CdrUriFault
{
	int			number; /* of the URI, from 1 */
	const char *what;	/* goes on after "URI 1 " */
	const char *hint;
} CdrUriFault;

/* Bytes that a list of this length may take when it is masked. */
#define CDR_MASKED_URI_SIZE(length) (2 * (length) + 9)

/*
 * Writes to shown, of CDR_MASKED_URI_SIZE, what may be shown of the URIs; or
 * leaves in *fault why they are none.
 */
extern CdrUriSecrecy
cdr_masked_uri(const char *uris, char *shown, CdrUriFault *fault);

#endif /* CDR_MASKED_URI_H */
