/*-------------------------------------------------------------------------
 *
 * time_words.c
 *	  Times with the English name of the month, as in mails and in HTTP, and as
 *	  C, Java and browsers print them.
 *
 * Offsets count, and UTC by its names.  Other short names of zones have several
 * meanings ("CST"), so a time that has only such a name is not read.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/time_words.h"

/* Day 0 since 1970 was a Thursday. */
static const char *const weekdays[] = {"Thursday",	"Friday", "Saturday",
									   "Sunday",	"Monday", "Tuesday",
									   "Wednesday", NULL};
static const char *const months[] = {
	"January", "February",	"March",   "April",	   "May",	   "June", "July",
	"August",  "September", "October", "November", "December", NULL};

/* One of some words, whole or its first three letters; -1: none of them. */
static int
read_word(const char **p, const char *const *words)
{
	size_t length = 0;

	while (((*p)[length] | 0x20) >= 'a' && ((*p)[length] | 0x20) <= 'z')
		length++;
	for (int i = 0; words[i] != NULL; i++)
	{
		if ((length == 3 || length == strlen(words[i])) &&
			pg_strncasecmp(*p, words[i], length) == 0)
		{
			*p += length;
			return i;
		}
	}
	return -1;
}

/* What separates the parts of a date. */
static bool
read_gap(const char **p)
{
	bool dash = cdr_time_accept(p, '-') || cdr_time_accept(p, ',');

	return cdr_time_blanks(p) || dash;
}

/* "19 Jan 2026 22:00:03 GMT" */
static bool
read_day_first(const char *p, CdrTimeParts *parts)
{
	if ((parts->day = cdr_time_digits(&p, 1, 2)) < 0 || !read_gap(&p) ||
		(parts->month = read_word(&p, months) + 1) == 0 || !read_gap(&p) ||
		(parts->year = cdr_time_digits(&p, 4, 4)) < 0 || !read_gap(&p))
		return false;
	return cdr_time_of_day(&p, parts) && cdr_time_zone(p, parts);
}

/* "22:00:03 2026", "22:00:03 UTC 2026", "22:00:03 +0000 2026" */
static bool
read_year_last(const char *p, CdrTimeParts *parts)
{
	parts->offset = 0;
	if (!cdr_time_of_day(&p, parts) || !cdr_time_blanks(&p))
		return false;
	if ((*p < '0' || *p > '9') &&
		(!cdr_time_offset(&p, parts) || !cdr_time_blanks(&p)))
		return false;
	parts->year = cdr_time_digits(&p, 4, 4);
	(void) cdr_time_blanks(&p);
	return parts->year >= 0 && *p == '\0';
}

/* "Jan 19 2026 22:00:03 GMT+0000", "Jan 19 22:00:03 2026" */
static bool
read_month_first(const char *p, CdrTimeParts *parts)
{
	const char *behind_day;

	if ((parts->month = read_word(&p, months) + 1) == 0 || !read_gap(&p) ||
		(parts->day = cdr_time_digits(&p, 1, 2)) < 0 || !read_gap(&p))
		return false;
	behind_day = p;
	if (read_year_last(behind_day, parts))
		return true;
	p = behind_day;
	if ((parts->year = cdr_time_digits(&p, 4, 4)) < 0 || !read_gap(&p))
		return false;
	return cdr_time_of_day(&p, parts) && cdr_time_zone(p, parts);
}

bool
cdr_time_words(const char *text, CdrTimeParts *parts)
{
	const char *p = text;
	int			weekday = read_word(&p, weekdays);
	int			days;

	if (weekday >= 0 && !read_gap(&p))
		return false;
	if (!read_day_first(p, parts) && !read_month_first(p, parts))
		return false;
	return weekday < 0 ||
		   (cdr_time_days(parts, &days) && (days % 7 + 7) % 7 == weekday);
}
