/*-------------------------------------------------------------------------
 *
 * timestamp.h
 *	  RFC 3339 text to a timestamptz, without the server's settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TIMESTAMP_H
#define CDR_TIMESTAMP_H

#include "datatype/timestamp.h"

/* 0001-01-01T00:00:00Z, which Go prints for a time that was never set. */
#define CDR_GO_ZERO_TIME                                                 \
	((INT64CONST(-719162) - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * \
	 USECS_PER_DAY)

/*
 * Reads an RFC 3339 date and time ("2026-01-19T22:00:03.25+00:00"), years
 * 0001 to 9999, to the microsecond, and puts it at *result.  Lenient where
 * producers are: "t", a blank or "_" for "T", "z" for "Z", "+0300" and "+03"
 * for "+03:00", no offset for UTC.  Further digits, up to the 15th, are
 * rounded as the server rounds them.  Returns false, leaving *result alone,
 * for anything else.
 */
extern bool cdr_timestamp_parse(const char *text, TimestampTz *result);

#endif /* CDR_TIMESTAMP_H */
