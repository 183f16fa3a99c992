/*-------------------------------------------------------------------------
 *
 * time_parts.h
 *	  What the spellings of a time have in common: digits, the time of day, the
 *	  offset from UTC, the calendar.
 *
 * Each reads what *p points to and moves *p behind it.  Where it is not what
 * was asked for, the spelling is not that one, and *p may stand anywhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TIME_PARTS_H
#define CDR_TIME_PARTS_H

#include "datatype/timestamp.h"

/* A time as it is spelled: a date, the time of day, the offset from UTC. */
typedef struct CdrTimeParts
{
	int	   year;
	int	   month;
	int	   day;
	int	   second; /* of the day, up to its end */
	double fraction;
	double scale;	   /* the fraction is so much of a second */
	int	   offset;	   /* seconds */
	bool   has_offset; /* cdr_time_zone() found one */
} CdrTimeParts;

/* A number of least to most digits; -1: there is none. */
extern int cdr_time_digits(const char **p, int least, int most);

/* One character, if it is c or another case of it. */
extern bool cdr_time_accept(const char **p, char c);

/* Blanks; whether there were any. */
extern bool cdr_time_blanks(const char **p);

/*
 * The time of day, with colons or without: hours, minutes, and where they are
 * told seconds (60: a leap second) with a fraction.
 */
extern bool cdr_time_of_day(const char **p, CdrTimeParts *parts);

/* "Z", "UTC", "GMT", an offset, or one of these with an offset. */
extern bool cdr_time_offset(const char **p, CdrTimeParts *parts);

/*
 * What may stand behind a time of day, to the end of the text: an offset, for
 * which none means UTC, the zone's name with it, a remark.
 */
extern bool cdr_time_zone(const char *p, CdrTimeParts *parts);

/* Days from 1970-01-01 to a date; false where there is no such date. */
extern bool cdr_time_days(const CdrTimeParts *parts, int *days);

/* The date of a day since 1970-01-01. */
extern void cdr_time_date(int days, CdrTimeParts *parts);

#endif /* CDR_TIME_PARTS_H */
