/*-------------------------------------------------------------------------
 *
 * json_text.h
 *	  Strings and numbers as JSON writes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_TEXT_H
#define CDR_JSON_TEXT_H

#include "lib/stringinfo.h"

/*
 * What a JSON string says: its escapes resolved, NUL-terminated, in the
 * current context.  The string stands between start and end, without its
 * quotes, and was accepted by the server's lexer.  NULL if no text can hold it:
 * \u0000, half a surrogate pair.
 */
extern char *cdr_json_unescape(const char *start, const char *end);

/*
 * Puts "\\ufffd", the replacement character, in the place of each escape of a
 * JSON text that no text can hold; the length stays.
 */
extern void cdr_json_replace_unspeakable(char *text, size_t length);

/*
 * The integer that a JSON number, or such digits in a string, stands for,
 * exactly: 4711, 4711.0, 4.711e3.  Returns false, leaving *result alone, for
 * what is no number, no integer, or none of 64 bits.
 */
extern bool cdr_json_integer(const char *text, int64 *result);

/*
 * The same of a field: blanks around it cost nothing.  0: there is none, or text
 * is NULL.
 */
extern int64 cdr_json_integer_or_none(const char *text);

/* Appends a name as a part of a JSON pointer (RFC 6901). */
extern void
cdr_json_pointer_part(const char *name, size_t length, StringInfo out);

#endif /* CDR_JSON_TEXT_H */
