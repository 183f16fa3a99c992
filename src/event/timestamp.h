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

/*
 * Reads a time in any spelling that has one meaning only, to the microsecond,
 * and puts it at *result: RFC 3339 and its kin (event/time_iso.h), with the
 * month's name (event/time_words.h), a number (event/time_number.h), blanks
 * around it.  Without an offset it is UTC.  What stands for a time that was
 * never set is CDR_NO_TIME: the years 0 and 1, the first moment of 1970, and what
 * is, or is rounded to, a moment after the year 9999 in UTC.
 * Fractions of a microsecond, up to the 15th digit of a second, are rounded as
 * the server rounds them.  Returns false, leaving *result alone, for anything
 * else.
 */
extern bool cdr_timestamp_read(const char *text, TimestampTz *result);

/* A time, or CDR_NO_TIME where it stands for one that was never set. */
extern TimestampTz cdr_timestamp_if_set(TimestampTz time);

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
