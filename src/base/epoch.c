/*-------------------------------------------------------------------------
 *
 * epoch.c
 *	  Times as numbers that count from a date: which unit, by their size.
 *
 * A number of one unit is a time of the years 1990 to 2286, and no such time in
 * any other; what lies between the units is no time.  There lie numbers that
 * mean something else: a date (20260302), a date and a time (20260302100000;
 * event/time_iso.c reads that one), the ticks of Windows since 1601.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "base/epoch.h"

/* 1970-01-01 in seconds since 0000-01-01, from which Erlang counts. */
#define GREGORIAN_UNIX_EPOCH INT64CONST(62167219200)

/* The last second of the year 9999, in seconds since 1970. */
#define UNIX_SECONDS_MAX INT64CONST(253402300799)

/*
 * From 1990-01-01 on, in rising order.  Nanoseconds begin with 1991: as such,
 * the ticks of .NET (100 ns since the year 1) of today are times of 1990.
 */
static const CdrEpochUnit units[] = {
	{UINT64CONST(631152000), UINT64CONST(9999999999), 1, 0},
	{UINT64CONST(62798371200), UINT64CONST(72167219199), 1,
	 -GREGORIAN_UNIX_EPOCH},
	{UINT64CONST(631152000000), UINT64CONST(9999999999999), 1000, 0},
	{UINT64CONST(631152000000000), UINT64CONST(9999999999999999), 1000000, 0},
	{UINT64CONST(662688000000000000), UINT64CONST(9999999999999999999),
	 1000000000, 0},
};

const CdrEpochUnit *
cdr_epoch_unit(uint64 number)
{
	for (int i = 0; i < (int) lengthof(units); i++)
	{
		if (number >= units[i].first && number <= units[i].last)
			return &units[i];
	}
	return NULL;
}

/*
 * The fraction is rounded through a double, as the server rounds it: 15 digits
 * and a power of ten are exact in one, so the quotient is what strtod() would
 * give.
 */
TimestampTz
cdr_epoch_moment(int64 seconds, double value, double scale)
{
	seconds -= (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	return seconds * USECS_PER_SEC + (int64) rint(value / scale * 1000000.0);
}

TimestampTz
cdr_epoch_of_property(uint64 number)
{
	const CdrEpochUnit *unit;

	if (number == 0)
		return CDR_NO_TIME;
	if (number <= UNIX_SECONDS_MAX)
		return cdr_epoch_moment((int64) number, 0, 1);
	unit = cdr_epoch_unit(number);
	if (unit == NULL)
		return CDR_NO_TIME;
	return cdr_epoch_moment((int64) (number / unit->power) + unit->zero,
							(double) (number % unit->power),
							(double) unit->power);
}
