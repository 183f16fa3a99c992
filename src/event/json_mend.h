/*-------------------------------------------------------------------------
 *
 * json_mend.h
 *	  JSON as some libraries write it, which is none, as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_MEND_H
#define CDR_JSON_MEND_H

/*
 * A copy of a JSON object or array, in the current context, with null for each
 * value NaN, Infinity or -Infinity, and without the NUL bytes at its end.  NULL:
 * there are none.  What else is wrong with the text stays so.
 */
extern char *
cdr_json_mend(const char *text, size_t length, size_t *mended_length);

#endif /* CDR_JSON_MEND_H */
