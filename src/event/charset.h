/*-------------------------------------------------------------------------
 *
 * charset.h
 *	  Text in another character set, as UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CHARSET_H
#define CDR_CHARSET_H

#include "event/reading.h"
#include "event/labels.h"

/* Bytes, of a text in UTF-8, that a byte of another character set becomes. */
#define CDR_CHARSET_GROWTH 4

/*
 * The character set that the first bytes tell: a byte order mark of UTF-16 or
 * UTF-32, or a bracket between NULs.  Neither JSON nor Protobuf begins so.  NULL:
 * none.
 */
extern const char *cdr_charset_of_bytes(const char *bytes, size_t length);

/*
 * Converts text.  UTF-16, UTF-32 and ISO 8859-1 are read here, since the server
 * has no conversion from the first two; the others by the converter, if there is one.
 */
extern CdrConversion
cdr_charset_convert(CdrLabel charset, const char *bytes, size_t length,
					CdrConverter *others, char **utf8, size_t *utf8_length);

#endif /* CDR_CHARSET_H */
