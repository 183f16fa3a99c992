/*-------------------------------------------------------------------------
 *
 * charset.h
 *	  The server's conversions of character sets, without a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STORE_CHARSET_H
#define CDR_STORE_CHARSET_H

#include "event/event.h"

/*
 * Text of a character set, by any name that the server or the registry of IANA
 * has for it, to UTF-8 in the current context.
 */
extern CdrConversion
cdr_server_convert(const char *charset, const char *text, size_t length,
				   char **utf8, size_t *utf8_length);

#endif /* CDR_STORE_CHARSET_H */
