/*-------------------------------------------------------------------------
 *
 * decimal.c
 *	  Numbers as JSON writes them, digit by digit: nothing is rounded.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/int.h"

#include "event/decimal.h"

/* Beyond this, an exponent makes no integer of 64 bits out of anything. */
#define EXPONENT_MAX 1000000

/* An event is far shorter than what an int can count. */
static int
count_digits(const char *text)
{
	return (int) strspn(text, "0123456789");
}

/* Reads the exponent behind "e"; where it ends, NULL if there is none. */
static const char *
read_exponent(const char *text, int *exponent)
{
	bool negative = *text == '-';
	int	 value = 0;

	if (*text == '-' || *text == '+')
		text++;
	if (count_digits(text) == 0)
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++)
		value = Min(value * 10 + (*text - '0'), EXPONENT_MAX);
	*exponent = negative ? -value : value;
	return text;
}

const char *
cdr_decimal_read(const char *text, CdrDecimal *number)
{
	memset(number, 0, sizeof(CdrDecimal));
	number->negative = *text == '-';
	if (number->negative)
		text++;
	number->whole = text;
	number->whole_digits = count_digits(text);
	text += number->whole_digits;
	if (number->whole_digits == 0)
		return NULL;
	if (*text == '.')
	{
		number->fraction = text + 1;
		number->fraction_digits = count_digits(text + 1);
		text += 1 + number->fraction_digits;
		if (number->fraction_digits == 0)
			return NULL;
	}
	if (*text == 'e' || *text == 'E')
		return read_exponent(text + 1, &number->exponent);
	return text;
}

int
cdr_decimal_digits(const CdrDecimal *number)
{
	return number->whole_digits + number->fraction_digits;
}

int
cdr_decimal_digit(const CdrDecimal *number, int i)
{
	return (i < number->whole_digits
				? number->whole[i]
				: number->fraction[i - number->whole_digits]) -
		   '0';
}

/* Below 0 where zeros stand behind the point first. */
int
cdr_decimal_point(const CdrDecimal *number)
{
	return number->whole_digits + number->exponent;
}

/*
 * The digits before a point, then the zeros of the exponent, as a number below
 * zero, which reaches one further.
 */
static bool
digits_before(const CdrDecimal *number, int point, int64 *result)
{
	int	  digits = cdr_decimal_digits(number);
	int64 value = 0;

	for (int i = 0; i < digits && i < point; i++)
	{
		if (pg_mul_s64_overflow(value, 10, &value) ||
			pg_sub_s64_overflow(value, cdr_decimal_digit(number, i), &value))
			return false;
	}
	for (int i = digits; i < point && value != 0; i++)
	{
		if (pg_mul_s64_overflow(value, 10, &value))
			return false;
	}
	*result = value;
	return true;
}

/* Is a digit behind that one, or itself, other than 0? */
static bool
digits_from(const CdrDecimal *number, int first)
{
	for (int i = Max(first, 0); i < cdr_decimal_digits(number); i++)
	{
		if (cdr_decimal_digit(number, i) != 0)
			return true;
	}
	return false;
}

/* Gives the number its sign. */
static bool
with_sign(const CdrDecimal *number, int64 value, int64 *result)
{
	if (!number->negative && pg_sub_s64_overflow(0, value, &value))
		return false;
	*result = value;
	return true;
}

bool
cdr_decimal_is_whole(const CdrDecimal *number)
{
	return !digits_from(number, cdr_decimal_point(number));
}

/* Without any rounding. */
bool
cdr_decimal_integer(const CdrDecimal *number, int64 *result)
{
	int	  point = cdr_decimal_point(number);
	int64 value;

	return cdr_decimal_is_whole(number) &&
		   digits_before(number, point, &value) &&
		   with_sign(number, value, result);
}

bool
cdr_decimal_scaled(const CdrDecimal *number, int power, int64 *result)
{
	int	  point = cdr_decimal_point(number) + power;
	int	  next = 0;
	int64 value;

	if (!digits_before(number, point, &value))
		return false;
	if (point >= 0 && point < cdr_decimal_digits(number))
		next = cdr_decimal_digit(number, point);
	if ((next > 5 ||
		 (next == 5 && (value % 2 != 0 || digits_from(number, point + 1)))) &&
		pg_sub_s64_overflow(value, 1, &value))
		return false;
	return with_sign(number, value, result);
}
