/*-------------------------------------------------------------------------
 *
 * time_iso.c
 *	  Times whose year stands first: RFC 3339, ISO 8601 and what libraries make
 *	  of them.
 *
 * Neither a date alone nor a time of day alone is a time, and twelve digits
 * together are none either: their first two may be the century or the year.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/time_iso.h"

/* Of the same separator twice, or none. */
static bool
read_iso_date(const char **p, CdrTimeParts *parts)
{
	char separator;
	int	 least = 1;

	if ((parts->year = cdr_time_digits(p, 4, 4)) < 0)
		return false;
	separator = **p;
	if (separator != '-' && separator != '/')
		separator = '\0';
	if (separator == '\0')
		least = 2;
	else
		(*p)++;
	if ((parts->month = cdr_time_digits(p, least, 2)) < 0 ||
		(separator != '\0' && !cdr_time_accept(p, separator)))
		return false;
	return (parts->day = cdr_time_digits(p, least, 2)) >= 0;
}

bool
cdr_time_iso(const char *text, CdrTimeParts *parts)
{
	const char *p = text;

	if (!read_iso_date(&p, parts))
		return false;
	if (!cdr_time_accept(&p, 'T') && !cdr_time_accept(&p, ' ') &&
		!cdr_time_accept(&p, '_') &&
		(p - text != 8 || strspn(text, "0123456789") != 14))
		return false;
	return cdr_time_of_day(&p, parts) && cdr_time_zone(p, parts);
}
