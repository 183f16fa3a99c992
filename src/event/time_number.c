/*-------------------------------------------------------------------------
 *
 * time_number.c
 *	  Times as numbers: seconds, milliseconds and the like since 1970.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/epoch.h"
#include "event/decimal.h"
#include "event/time_number.h"
#include "event/time_parts.h"

/* The most digits that every number of 64 bits can have. */
#define WHOLE_DIGITS_MAX 19

/*
 * What a time that was never set is, besides 0: Go's year 1 in seconds,
 * milliseconds, microseconds and (beyond 64 bits) nanoseconds, .NET's likewise;
 * 1970 in seconds since the year 0.
 */
static const int64 never[] = {
	0,
	INT64CONST(-62135596800),
	INT64CONST(-62135596800000),
	INT64CONST(-62135596800000000),
	INT64CONST(-6795364578871345152),
	INT64CONST(62167219200),
};

static bool
is_never(const CdrDecimal *number)
{
	int64 value;

	if (!cdr_decimal_integer(number, &value))
		return false;
	for (int i = 0; i < (int) lengthof(never); i++)
	{
		if (never[i] == value)
			return true;
	}
	return false;
}

/* The digits before the point; 0: none, or too many. */
static uint64
whole_part(const CdrDecimal *number)
{
	int	   digits = cdr_decimal_digits(number);
	int	   point = cdr_decimal_point(number);
	int	   first = 0;
	uint64 value = 0;

	while (first < digits && cdr_decimal_digit(number, first) == 0)
		first++;
	if (first == digits || point - first > WHOLE_DIGITS_MAX)
		return 0;
	for (int i = first; i < point; i++)
		value = value * 10 + (i < digits ? cdr_decimal_digit(number, i) : 0);
	return value;
}

bool
cdr_time_number(const char *text, TimestampTz *result)
{
	CdrDecimal			number;
	const char		   *end = cdr_decimal_read(text, &number);
	const CdrEpochUnit *unit;
	uint64				whole;
	double				value;
	double				scale;

	if (end == NULL)
		return false;
	(void) cdr_time_blanks(&end);
	if (*end != '\0')
		return false;
	if (is_never(&number))
	{
		*result = CDR_NO_TIME;
		return true;
	}
	whole = number.negative ? 0 : whole_part(&number);
	unit = cdr_epoch_unit(whole);
	if (unit == NULL)
		return false;

	/* the fraction goes on behind the point, of which 15 digits count */
	value = (double) (whole % unit->power);
	scale = (double) unit->power;
	for (int i = cdr_decimal_point(&number);
		 i < cdr_decimal_digits(&number) && scale < 1e15; i++)
	{
		value = value * 10 + cdr_decimal_digit(&number, i);
		scale *= 10;
	}
	*result = cdr_epoch_moment((int64) (whole / unit->power) + unit->zero,
							   value, scale);
	return true;
}
