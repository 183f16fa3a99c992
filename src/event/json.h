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

/*
 * The same in two steps, for whoever looks for more in the same pass: the keys
 * of the JSON form in a set of paths, and, when that was filled from a text, the
 * fields.  Allocated in the current context, and good as long as the set.
 */
struct CdrJsonPaths;
typedef struct CdrJsonKeys CdrJsonKeys;
extern const CdrJsonKeys  *cdr_json_keys_in(struct CdrJsonPaths *paths);
extern void cdr_json_fields(const CdrJsonKeys *keys, CdrFields *fields);

/* Does the object have what makes it the envelope of a CloudEvent? */
extern bool cdr_json_is_envelope(const CdrJsonKeys *keys);

#endif /* CDR_JSON_H */
