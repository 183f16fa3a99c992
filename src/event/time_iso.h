/*-------------------------------------------------------------------------
 *
 * time_iso.h
 *	  Times whose year stands first: RFC 3339, ISO 8601 and what libraries make
 *	  of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TIME_ISO_H
#define CDR_TIME_ISO_H

#include "event/time_parts.h"

/*
 * Reads "2026-01-19T22:00:03.25+00:00", to the end of the text:
 *	- the date with "-" or "/" and one or two digits for month and day, or
 *	  as eight digits;
 *	- "T", a blank or "_", and nothing where 14 digits stand together;
 *	- the time of day and what is behind it (event/time_parts.h).
 * False: it is not spelled like that.
 */
extern bool cdr_time_iso(const char *text, CdrTimeParts *parts);

#endif /* CDR_TIME_ISO_H */
