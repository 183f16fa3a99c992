/*-------------------------------------------------------------------------
 *
 * timestamp.c
 *	  Times of the wire to a timestamptz.
 *
 * The server's own parser is not used: what it makes of "now", of
 * "tomorrow" or of "01/02/2026" depends on the clock and on settings, and
 * the time of an event must depend on its bytes alone.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/epoch.h"
#include "event/time_iso.h"
#include "event/time_number.h"
#include "event/time_words.h"
#include "event/timestamp.h"

/* Years 0001 to 9999, in seconds since 1970. */
#define UNIX_SECONDS_MIN INT64CONST(-62135596800)
#define UNIX_SECONDS_MAX INT64CONST(253402300799)

/* The first days of the years 0002, 10000 and 1970, as the server counts. */
#define YEAR_2                                                           \
	((INT64CONST(-718797) - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * \
	 USECS_PER_DAY)
#define YEAR_10000                                                       \
	((INT64CONST(2932897) - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * \
	 USECS_PER_DAY)
#define UNIX_EPOCH                                                \
	(-INT64CONST(1) * (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * \
	 USECS_PER_DAY)

/*
 * Libraries have the first moment of the year 1 or of 1970 for that, and print
 * the former in zones that were an odd number of minutes away from UTC then, so
 * all of the year goes with it.  The last moment of 9999, which .NET has for it, is
 * rounded into the year after.
 */
TimestampTz
cdr_timestamp_if_set(TimestampTz time)
{
	return time < YEAR_2 || time >= YEAR_10000 || time == UNIX_EPOCH
			   ? CDR_NO_TIME
			   : time;
}

bool
cdr_timestamp_read(const char *text, TimestampTz *result)
{
	CdrTimeParts parts;
	int			 days;

	(void) cdr_time_blanks(&text);
	if (!cdr_time_iso(text, &parts) && !cdr_time_words(text, &parts))
	{
		/* a date of zeros, as databases have it */
		if (strncmp(text, "0000-", 5) != 0)
			return cdr_time_number(text, result);
		parts.year = 0;
	}
	if (parts.year == 0)
		*result = CDR_NO_TIME;
	else if (!cdr_time_days(&parts, &days))
		return false;
	else
		*result = cdr_timestamp_if_set(cdr_epoch_moment(
			(int64) days * SECS_PER_DAY + parts.second - parts.offset,
			parts.fraction, parts.scale));
	return true;
}

/* What a Timestamp of Protobuf may hold. */
static bool
is_unix_time(int64 seconds, int32 nanoseconds)
{
	return seconds >= UNIX_SECONDS_MIN && seconds <= UNIX_SECONDS_MAX &&
		   nanoseconds >= 0 && nanoseconds <= 999999999;
}

bool
cdr_timestamp_from_unix(int64 seconds, int32 nanoseconds, TimestampTz *result)
{
	if (!is_unix_time(seconds, nanoseconds))
		return false;
	*result = cdr_timestamp_if_set(
		cdr_epoch_moment(seconds, nanoseconds, 1000000000));
	return true;
}

bool
cdr_timestamp_print_unix(int64 seconds, int32 nanoseconds, StringInfo out)
{
	CdrTimeParts date;
	int64		 of_day;

	if (!is_unix_time(seconds, nanoseconds))
		return false;
	of_day = (seconds - UNIX_SECONDS_MIN) % SECS_PER_DAY;
	cdr_time_date((int) ((seconds - of_day) / SECS_PER_DAY), &date);
	appendStringInfo(out, "\"%04d-%02d-%02dT%02d:%02d:%02d", date.year,
					 date.month, date.day, (int) (of_day / SECS_PER_HOUR),
					 (int) (of_day / SECS_PER_MINUTE % MINS_PER_HOUR),
					 (int) (of_day % SECS_PER_MINUTE));
	if (nanoseconds % 1000 != 0)
		appendStringInfo(out, ".%09d", nanoseconds);
	else if (nanoseconds % 1000000 != 0)
		appendStringInfo(out, ".%06d", nanoseconds / 1000);
	else if (nanoseconds != 0)
		appendStringInfo(out, ".%03d", nanoseconds / 1000000);
	appendStringInfoString(out, "Z\"");
	return true;
}
