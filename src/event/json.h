/*-------------------------------------------------------------------------
 *
 * json.h
 *	  The JSON form of events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_H
#define CDR_JSON_H

#include "event/fields.h"

/* Real events nest five deep; this is far beyond, and far from the stack. */
#define CDR_JSON_DEPTH_MAX 100

/* The length of the byte order mark that a text begins with; 0: none. */
static inline size_t
cdr_json_mark(const char *text, size_t length)
{
	return length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/*
 * Reads a JSON object, with or without a byte order mark.  Returns NULL with *fields filled in, or why it is no
 * event, with *fields left as it was.  Leaves is_json alone.
 */
extern const CdrReason *
cdr_json_read(const char *text, size_t length, CdrFields *fields);

#endif /* CDR_JSON_H */
