/*-------------------------------------------------------------------------
 *
 * zones.h
 *	  Zones of time for programs without the server: that of Berlin, by the rule
 *	  of the European Union, which it has kept since 1996.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZONES_H
#define ZONES_H

#include <time.h>

#include "event/mapping.h"

/* The last Sunday of a month of 31 days, 01:00 UTC, in seconds since 1970. */
static inline int64
zones_last_sunday(int year, int month)
{
	struct tm date = {.tm_year = year, .tm_mon = month, .tm_mday = 31};
	int64	  days = timegm(&date) / SECS_PER_DAY;

	/* day 3 of 1970 was a Sunday */
	return (days - (days - 3) % 7) * SECS_PER_DAY + SECS_PER_HOUR;
}

static inline const void *
zones_find(const char *name)
{
	return strcmp(name, "Europe/Berlin") == 0 ? "CET" : NULL;
}

static inline int32
zones_offset(const void *zone, int64 moment)
{
	time_t	  seconds = moment;
	struct tm date;

	gmtime_r(&seconds, &date);
	return moment >= zones_last_sunday(date.tm_year, 2) &&
				   moment < zones_last_sunday(date.tm_year, 9)
			   ? 2 * SECS_PER_HOUR
			   : SECS_PER_HOUR;
}

static const CdrZones test_zones = {zones_find, zones_offset};

#endif /* ZONES_H */
