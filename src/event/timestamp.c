/*-------------------------------------------------------------------------
 *
 * timestamp.c
 *	  Times of the wire to a timestamptz: RFC 3339 text, seconds since 1970.
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

#include <math.h>

#include "event/timestamp.h"

/* Years 0001 to 9999, in seconds since 1970. */
#define UNIX_SECONDS_MIN INT64CONST(-62135596800)
#define UNIX_SECONDS_MAX INT64CONST(253402300799)

/* Reads exactly n digits at *p and steps over them; -1: not digits. */
static int
digits(const char **p, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++)
	{
		unsigned char c = (*p)[i];

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
	}
	*p += n;
	return value;
}

/* Steps over one character if it is c. */
static bool
accept(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/*
 * Days from 1970-01-01 to a date of the proleptic Gregorian calendar, counted
 * in eras of 400 years that begin on 1 March.
 */
static int64
days_from_civil(int year, int month, int day)
{
	int y = year - (month <= 2 ? 1 : 0);
	int era = y / 400;
	int year_of_era = y - era * 400;
	int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int day_of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return (int64) era * 146097 + day_of_era - 719468;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* The date, as days since 1970. */
static bool
parse_date(const char **p, int64 *days)
{
	int year;
	int month;
	int day;

	if ((year = digits(p, 4)) < 1 || !accept(p, '-'))
		return false;
	if ((month = digits(p, 2)) < 1 || month > 12 || !accept(p, '-'))
		return false;
	if ((day = digits(p, 2)) < 1 || day > days_in_month(year, month))
		return false;
	*days = days_from_civil(year, month, day);
	return true;
}

/*
 * A fraction of a second in microseconds (up to 1000000).  Rounded through a
 * double, as the server rounds it: 15 digits and a power of ten are exact in
 * one, so the quotient is what strtod() would give.
 */
static int
round_fraction(double value, double scale)
{
	return (int) rint(value / scale * 1000000.0);
}

/* The fraction of a second after its point. */
static bool
parse_fraction(const char **p, int *microseconds)
{
	double value = 0;
	double scale = 1;
	int	   count = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++, count++)
	{
		if (count < 15)
		{
			value = value * 10 + (**p - '0');
			scale *= 10;
		}
	}
	*microseconds = round_fraction(value, scale);
	return count > 0;
}

/* The time of day, in microseconds; 60 is a leap second, as in the server. */
static bool
parse_time(const char **p, int64 *microseconds)
{
	int hour;
	int minute;
	int second;
	int fraction = 0;

	if ((hour = digits(p, 2)) < 0 || hour > 23 || !accept(p, ':'))
		return false;
	if ((minute = digits(p, 2)) < 0 || minute > 59 || !accept(p, ':'))
		return false;
	if ((second = digits(p, 2)) < 0 || second > 60)
		return false;
	if (accept(p, '.') && !parse_fraction(p, &fraction))
		return false;
	*microseconds =
		((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + fraction;
	return true;
}

/* The offset from UTC, in seconds; none means UTC. */
static bool
parse_offset(const char **p, int *seconds)
{
	int sign = **p == '-' ? -1 : 1;
	int hours;
	int minutes = 0;

	*seconds = 0;
	if (**p == '\0' || accept(p, 'Z') || accept(p, 'z'))
		return true;
	if (!accept(p, '+') && !accept(p, '-'))
		return false;
	if ((hours = digits(p, 2)) < 0 || hours > 15)
		return false;
	if (**p != '\0')
	{
		(void) accept(p, ':');
		if ((minutes = digits(p, 2)) < 0 || minutes > 59)
			return false;
	}
	*seconds = sign * (hours * 60 + minutes) * 60;
	return true;
}

bool
cdr_timestamp_parse(const char *text, TimestampTz *result)
{
	const char *p = text;
	int64		days;
	int64		time;
	int			offset;

	if (!parse_date(&p, &days))
		return false;
	if (!accept(&p, 'T') && !accept(&p, 't') && !accept(&p, ' ') &&
		!accept(&p, '_'))
		return false;
	if (!parse_time(&p, &time) || !parse_offset(&p, &offset) || *p != '\0')
		return false;

	days -= POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	*result = days * USECS_PER_DAY + time - offset * USECS_PER_SEC;
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
	seconds -= (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	*result =
		seconds * USECS_PER_SEC + round_fraction(nanoseconds, 1000000000);
	return true;
}

/* The date of a day since 1970-01-01: days_from_civil() the other way. */
static void
civil_from_days(int days, int *year, int *month, int *day)
{
	int day_of_era;
	int year_of_era;
	int day_of_year;
	int month_from_march;

	days += 719468;
	day_of_era = days % 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
				   day_of_era / 146096) /
				  365;
	day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month_from_march = (5 * day_of_year + 2) / 153;
	*day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	*month = month_from_march + (month_from_march < 10 ? 3 : -9);
	*year = days / 146097 * 400 + year_of_era + (*month <= 2 ? 1 : 0);
}

bool
cdr_timestamp_print_unix(int64 seconds, int32 nanoseconds, StringInfo out)
{
	int64 of_day;
	int	  year;
	int	  month;
	int	  day;

	if (!is_unix_time(seconds, nanoseconds))
		return false;
	of_day = (seconds - UNIX_SECONDS_MIN) % SECS_PER_DAY;
	civil_from_days((int) ((seconds - of_day) / SECS_PER_DAY), &year, &month,
					&day);
	appendStringInfo(out, "\"%04d-%02d-%02dT%02d:%02d:%02d", year, month, day,
					 (int) (of_day / SECS_PER_HOUR),
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
