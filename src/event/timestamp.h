/*-------------------------------------------------------------------------
 *
 * timestamp.h
 *	  Times of the wire to a timestamptz, without the server's settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TIMESTAMP_H
#define CDR_TIMESTAMP_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

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

/*
 * The same moment from seconds since 1970 and nanoseconds, which count forward
 * also before 1970, rounded as those of a text are.  Returns false, leaving
 * *result alone, for years beyond 0001 to 9999 and for nanoseconds beyond 0 to
 * 999999999.
 */
extern bool
cdr_timestamp_from_unix(int64 seconds, int32 nanoseconds, TimestampTz *result);

/*
 * Appends the same moment as RFC 3339 text in UTC, in quotes, with 0, 3, 6 or 9
 * digits of a second.  Returns false, with nothing appended, where
 * cdr_timestamp_from_unix() does.
 */
extern bool
cdr_timestamp_print_unix(int64 seconds, int32 nanoseconds, StringInfo out);

#endif /* CDR_TIMESTAMP_H */
