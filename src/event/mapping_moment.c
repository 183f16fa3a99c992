/*-------------------------------------------------------------------------
 *
 * mapping_moment.c
 *	  Times of a mapping: in a notation that the mapping names.
 *
 * Never guessed: what is not in that notation is told to be unreadable, and
 * neither the next alternative nor another time takes its place.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/int.h"

#include "base/epoch.h"
#include "event/decimal.h"
#include "event/mapping_find.h"
#include "event/mapping_moment.h"
#include "event/time_iso.h"
#include "event/timestamp.h"

/* 1970-01-01 in seconds since 0000-01-01, from which Erlang counts. */
#define GREGORIAN_UNIX_EPOCH INT64CONST(62167219200)

/* From 1970 to where the server counts from. */
#define UNIX_TO_SERVER \
	(INT64CONST(1) * (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* The years 1 to 9999, in microseconds since 1970. */
#define MOMENT_MIN (INT64CONST(-62135596800) * USECS_PER_SEC)
#define MOMENT_MAX (INT64CONST(253402300800) * USECS_PER_SEC - 1)

/* A number, to the end of the text. */
static bool
read_scaled(const char *text, int power, int64 *result)
{
	CdrDecimal	number;
	const char *end;

	(void) cdr_time_blanks(&text);
	end = cdr_decimal_read(text, &number);
	if (end == NULL)
		return false;
	(void) cdr_time_blanks(&end);
	return *end == '\0' && cdr_decimal_scaled(&number, power, result);
}

/* Of so many digits of a second; 0, and what is before 1970, is not set. */
static bool
read_number(const char *text, MapNotation notation, TimestampTz *time)
{
	static const int powers[] = {[MAP_UNIX] = 6,
								 [MAP_UNIX_MS] = 3,
								 [MAP_UNIX_US] = 0,
								 [MAP_UNIX_NS] = -3,
								 [MAP_GREGORIAN] = 6};
	int64			 moment;

	if (!read_scaled(text, powers[notation], &moment))
		return false;
	if (notation == MAP_GREGORIAN &&
		pg_sub_s64_overflow(moment, GREGORIAN_UNIX_EPOCH * USECS_PER_SEC,
							&moment))
		return false;
	if (moment > MOMENT_MAX)
		return false;
	*time = moment <= 0 ? CDR_NO_TIME : moment - UNIX_TO_SERVER;
	return true;
}

/*
 * The moment when clocks of a zone show a time, both in seconds since 1970.  Of
 * an hour that comes twice, the first; an hour that is left out goes by the clocks
 * before it.
 */
static int64
moment_of_local(const CdrZones *zones, const void *zone, int64 local)
{
	int32 before = zones->offset(zone, local - SECS_PER_DAY);
	int32 after = zones->offset(zone, local + SECS_PER_DAY);

	if (before != after && zones->offset(zone, local - before) != before &&
		zones->offset(zone, local - after) == after)
		return local - after;
	return local - before;
}

/* An offset in the text itself counts before the zone. */
static bool
read_local(const CdrZones *zones, const void *zone, const char *text,
		   TimestampTz *time)
{
	CdrTimeParts parts;
	int			 days;
	int64		 second;

	*time = CDR_NO_TIME;
	(void) cdr_time_blanks(&text);
	/* a date of zeros, as databases have it */
	if (strncmp(text, "0000-", 5) == 0)
		return true;
	if (!cdr_time_iso(text, &parts))
		return false;
	if (parts.year == 0)
		return true;
	if (!cdr_time_days(&parts, &days))
		return false;
	second = (int64) days * SECS_PER_DAY + parts.second - parts.offset;
	if (zone != NULL && !parts.has_offset)
		second = moment_of_local(zones, zone, second);
	*time = cdr_timestamp_if_set(
		cdr_epoch_moment(second, parts.fraction, parts.scale));
	return true;
}

/* A time in its notation; CDR_NO_TIME: it says that there is none. */
static bool
read_notation(const MapReading *reading, const MapTime *time, const char *text,
			  TimestampTz *result)
{
	switch (time->notation)
	{
		case MAP_RFC3339:
		case MAP_RFC2822:
			return cdr_timestamp_read(text, result);
		case MAP_LOCAL:
			return read_local(reading->set->zones, time->zone, text, result);
		default:
			return read_number(text, time->notation, result);
	}
}

/* ------------------------------------------------------------------------
 * Durations
 * ------------------------------------------------------------------------
 */

/* What a part of a length counts: so many times a power of ten of microseconds. */
typedef struct LengthUnit
{
	const char *name;
	int			power;
	int			times;
} LengthUnit;

/* The unit that stands there, which the text is moved behind; NULL: none. */
static const LengthUnit *
take_unit(const char **text)
{
	/* of those that begin alike the longer first; "us" with both signs of micro */
	static const LengthUnit units[] = {
		{"ns", -3, 1}, {"us", 0, 1}, {"\xc2\xb5s", 0, 1}, {"\xce\xbcs", 0, 1},
		{"ms", 3, 1},  {"s", 6, 1},	 {"m", 6, 60},		  {"h", 6, 3600}};

	for (int i = 0; i < (int) lengthof(units); i++)
	{
		size_t length = strlen(units[i].name);

		if (strncmp(*text, units[i].name, length) == 0)
		{
			*text += length;
			return &units[i];
		}
	}
	return NULL;
}

/*
 * A length that says its units, in microseconds: "1h2m26.75s", as Go prints one.
 * So CGRateS writes what it otherwise writes as a number of nanoseconds.
 */
static bool
read_units(const char *text, int64 *result)
{
	int64 sum = 0;
	bool  negative;

	(void) cdr_time_blanks(&text);
	negative = *text == '-';
	if (negative)
		text++;
	do
	{
		CdrDecimal		  number;
		const LengthUnit *unit;
		int64			  part;

		text = cdr_decimal_read(text, &number);
		unit = text == NULL || number.negative ? NULL : take_unit(&text);
		if (unit == NULL || !cdr_decimal_scaled(&number, unit->power, &part) ||
			pg_mul_s64_overflow(part, unit->times, &part) ||
			pg_add_s64_overflow(sum, part, &sum))
			return false;
		(void) cdr_time_blanks(&text);
	} while (*text != '\0');
	*result = negative ? -sum : sum;
	return true;
}

/* Adds what the mapping says; a duration that is not there makes no time. */
static void
add_duration(MapReading *reading, const MapDuration *duration,
			 MapMoment *moment)
{
	MapFound found = cdr_map_find(reading, duration->value);
	int64	 length;
	int64	 sum;

	if (found.text == NULL)
	{
		moment->time = CDR_NO_TIME;
		moment->from = found.from;
		moment->note = "the duration is not there";
		return;
	}
	sum = moment->time + UNIX_TO_SERVER;
	if ((!read_scaled(found.text, 6 - duration->digits, &length) &&
		 !read_units(found.text, &length)) ||
		(duration->sign > 0 ? pg_add_s64_overflow(sum, length, &sum)
							: pg_sub_s64_overflow(sum, length, &sum)) ||
		sum < MOMENT_MIN || sum > MOMENT_MAX)
	{
		moment->time = CDR_NO_TIME;
		moment->unread = true;
		moment->value = found.text;
		moment->from = found.from;
		moment->note = "the duration cannot be read";
		return;
	}
	moment->time = sum - UNIX_TO_SERVER;
}

static MapMoment
find_moment(MapReading *reading, const MapTime *time)
{
	MapFound  found = cdr_map_find(reading, time->value);
	MapMoment moment = {.time = CDR_NO_TIME,
						.value = found.text,
						.from = found.from,
						.note = found.note};

	if (found.text == NULL)
		return moment;
	if (!read_notation(reading, time, found.text, &moment.time))
	{
		moment.unread = true;
		moment.note = "cannot be read as a time of that notation";
		return moment;
	}
	if (moment.time == CDR_NO_TIME)
		moment.note = "says: not set";
	for (int i = 0; i < time->ndurations && moment.time != CDR_NO_TIME; i++)
		add_duration(reading, &time->durations[i], &moment);
	return moment;
}

/* The first that says anything, be it unreadable; else the last. */
MapMoment
cdr_map_moment(MapReading *reading, const MapTime *time)
{
	MapMoment moment = {.time = CDR_NO_TIME};

	for (; time != NULL && moment.time == CDR_NO_TIME && !moment.unread;
		 time = time->next)
		moment = find_moment(reading, time);
	return moment;
}
