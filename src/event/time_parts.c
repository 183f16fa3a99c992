/*-------------------------------------------------------------------------
 *
 * time_parts.c
 *	  What the spellings of a time have in common: digits, the time of day, the
 *	  offset from UTC, the calendar.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/time_parts.h"

/* A name or a remark that is longer is none. */
#define NAME_LENGTH_MAX 60

#define LETTERS	  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME	  LETTERS "0123456789+-:_/"
#define BRACKETED NAME "=."
#define BLANKS	  " \t\r\n"

int
cdr_time_digits(const char **p, int least, int most)
{
	int value = 0;
	int count = 0;

	for (; count < most && **p >= '0' && **p <= '9'; (*p)++, count++)
		value = value * 10 + (**p - '0');
	return count < least ? -1 : value;
}

bool
cdr_time_accept(const char **p, char c)
{
	if (pg_ascii_tolower((unsigned char) **p) !=
			pg_ascii_tolower((unsigned char) c) ||
		c == '\0')
		return false;
	(*p)++;
	return true;
}

bool
cdr_time_blanks(const char **p)
{
	size_t count = strspn(*p, BLANKS);

	*p += count;
	return count > 0;
}

/* ------------------------------------------------------------------------
 * The time of day
 * ------------------------------------------------------------------------
 */

/* The fraction of a second behind its point, of which 15 digits count. */
static bool
read_fraction(const char **p, CdrTimeParts *parts)
{
	const char *start = *p;

	for (; **p >= '0' && **p <= '9'; (*p)++)
	{
		if (*p - start < 15)
		{
			parts->fraction = parts->fraction * 10 + (**p - '0');
			parts->scale *= 10;
		}
	}
	return *p > start;
}

bool
cdr_time_of_day(const char **p, CdrTimeParts *parts)
{
	const char *start = *p;
	int			hour = cdr_time_digits(p, 1, 2);
	bool		colons = cdr_time_accept(p, ':');
	int			minute;
	int			second = 0;

	parts->fraction = 0;
	parts->scale = 1;
	if (hour < 0 || (!colons && *p - start < 2) ||
		(minute = cdr_time_digits(p, 2, 2)) < 0)
		return false;
	if (colons ? cdr_time_accept(p, ':') : **p >= '0' && **p <= '9')
	{
		if ((second = cdr_time_digits(p, 2, 2)) < 0)
			return false;
		if ((cdr_time_accept(p, '.') || cdr_time_accept(p, ',')) &&
			!read_fraction(p, parts))
			return false;
	}
	parts->second = (hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second;

	/* 24:00:00 is the end of the day, and the only time with that hour */
	if (hour == 24)
		return parts->second == SECS_PER_DAY && parts->fraction == 0;
	return hour < 24 && minute < 60 && second <= 60;
}

/* ------------------------------------------------------------------------
 * The offset from UTC
 * ------------------------------------------------------------------------
 */

/* "+03", "+3", "+0300", "+03:00", "+03:00:00", behind its sign. */
static bool
read_offset(const char **p, int sign, int *offset)
{
	const char *start = *p;
	int			hours = cdr_time_digits(p, 1, 2);
	bool		two = *p - start == 2;
	int			minutes = 0;
	int			seconds = 0;

	if (hours < 0 || hours > 15)
		return false;
	if (cdr_time_accept(p, ':'))
	{
		if ((minutes = cdr_time_digits(p, 2, 2)) < 0 ||
			(cdr_time_accept(p, ':') &&
			 (seconds = cdr_time_digits(p, 2, 2)) < 0))
			return false;
	}
	else if (two && **p >= '0' && **p <= '9' &&
			 (minutes = cdr_time_digits(p, 2, 2)) < 0)
		return false;
	*offset =
		sign * ((hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE + seconds);
	return minutes < 60 && seconds < 60;
}

/* Is that a name of UTC? */
static bool
names_utc(const char *name, size_t length)
{
	static const char *const names[] = {"Z", "UTC", "GMT", "UT"};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (strlen(names[i]) == length &&
			pg_strncasecmp(names[i], name, length) == 0)
			return true;
	}
	return false;
}

bool
cdr_time_offset(const char **p, CdrTimeParts *parts)
{
	size_t letters = strspn(*p, LETTERS);
	bool   is_utc = names_utc(*p, letters);

	parts->offset = 0;
	if (letters > 0 && !is_utc)
		return false;
	*p += letters;
	/* "Z" ends it, for "Z+3" is nobody's */
	if (letters == 1)
		return true;
	if (cdr_time_accept(p, '+'))
		return read_offset(p, 1, &parts->offset);
	if (cdr_time_accept(p, '-'))
		return read_offset(p, -1, &parts->offset);
	return is_utc;
}

/*
 * The name of a zone that stands beside an offset, which counts.  One that says
 * an offset itself must say the same.
 */
static bool
read_zone_name(const char **p, const char *characters,
			   const CdrTimeParts *parts)
{
	const char	*name = *p;
	const char	*end = name + strspn(name, characters);
	const char	*offset = name;
	CdrTimeParts named;

	*p = end;
	if (cdr_time_offset(&offset, &named) && offset == end)
		return named.offset == parts->offset;
	return strspn(name, LETTERS) > 0 && end - name <= NAME_LENGTH_MAX;
}

/* " m=+0.000012", which Go prints of its own clock. */
static bool
skip_go_clock(const char **p)
{
	if (strncmp(*p, "m=+", 3) != 0 && strncmp(*p, "m=-", 3) != 0)
		return false;
	*p += 3;
	*p += strspn(*p, "0123456789.");
	return true;
}

/*
 * What stands behind an offset, up to the end: " UTC", " +03" and " m=+0.1" as
 * Go prints them, "[Europe/Istanbul]" as Java does, " (UTC)" as browsers do.
 */
static bool
read_remarks(const char *p, const CdrTimeParts *parts)
{
	while (*p != '\0')
	{
		bool blank = cdr_time_blanks(&p);

		if (*p == '\0')
			break;
		if (cdr_time_accept(&p, '['))
		{
			if (!read_zone_name(&p, BRACKETED, parts) ||
				!cdr_time_accept(&p, ']'))
				return false;
		}
		else if (!blank)
			return false;
		else if (cdr_time_accept(&p, '('))
		{
			p += strcspn(p, ")");
			if (!cdr_time_accept(&p, ')'))
				return false;
		}
		else if (!skip_go_clock(&p) &&
				 /* shorter ones are not names of zones: AM, PM, BC */
				 (strcspn(p, BLANKS) < 3 || !read_zone_name(&p, NAME, parts)))
			return false;
	}
	return true;
}

bool
cdr_time_zone(const char *p, CdrTimeParts *parts)
{
	const char *end = p;

	parts->offset = 0;
	parts->has_offset = true;
	/* as nearly all write it */
	if (p[0] == 'Z' && p[1] == '\0')
		return true;
	(void) cdr_time_blanks(&end);
	parts->has_offset = *end != '\0';
	if (!parts->has_offset)
		return true;
	return cdr_time_offset(&end, parts) && read_remarks(end, parts);
}

/* ------------------------------------------------------------------------
 * The proleptic Gregorian calendar, in eras of 400 years that begin on 1 March
 * ------------------------------------------------------------------------
 */

static int
days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool
cdr_time_days(const CdrTimeParts *parts, int *days)
{
	int month = parts->month;
	int y = parts->year - (month <= 2 ? 1 : 0);
	int year_of_era = y % 400;
	int day_of_year;

	if (parts->year < 1 || month < 1 || month > 12 || parts->day < 1 ||
		parts->day > days_in_month(parts->year, month))
		return false;
	day_of_year =
		(153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + parts->day - 1;
	*days = y / 400 * 146097 + year_of_era * 365 + year_of_era / 4 -
			year_of_era / 100 + day_of_year - 719468;
	return true;
}

void
cdr_time_date(int days, CdrTimeParts *parts)
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
	parts->day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	parts->month = month_from_march + (month_from_march < 10 ? 3 : -9);
	parts->year =
		days / 146097 * 400 + year_of_era + (parts->month <= 2 ? 1 : 0);
}
