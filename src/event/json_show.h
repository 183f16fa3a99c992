/*-------------------------------------------------------------------------
 *
 * json_show.h
 *	  The JSON form of events, shown to people.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_SHOW_H
#define CDR_JSON_SHOW_H

#include "lib/stringinfo.h"

/*
 * Appends a JSON object, for people: as it stands, without a byte order mark,
 * and with the replacement character for each escape that no text can hold, so
 * that SQL's operators take it.  Returns false, with nothing appended, for what
 * is none.
 */
extern bool cdr_json_show(const char *text, size_t length, StringInfo out);

#endif /* CDR_JSON_SHOW_H */
