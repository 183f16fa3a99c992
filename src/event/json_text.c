/*-------------------------------------------------------------------------
 *
 * json_text.c
 *	  Strings and numbers as JSON writes them.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/int.h"
#include "mb/pg_wchar.h"

#include "event/json_text.h"

/* Beyond this, an exponent makes no integer of 64 bits out of anything. */
#define EXPONENT_MAX 1000000

/* Four hexadecimal digits. */
static pg_wchar
code_unit(const char *digits)
{
	pg_wchar unit = 0;

	for (int i = 0; i < 4; i++)
	{
		char c = digits[i];

		unit = unit * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return unit;
}

/*
 * The character of one or two escapes that begin at *p, with "\u"; moves *p
 * behind them.  0: no text can hold it.
 */
static pg_wchar
unicode_escape(const char **p, const char *end)
{
	pg_wchar first = code_unit(*p + 2);
	pg_wchar second;

	*p += 6;
	if (!is_utf16_surrogate_first(first))
		return is_utf16_surrogate_second(first) ? 0 : first;
	if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return 0;
	second = code_unit(*p + 2);
	*p += 6;
	return is_utf16_surrogate_second(second)
			   ? surrogate_pair_to_codepoint(first, second)
			   : 0;
}

/* The character of an escape of one letter. */
static char
short_escape(char letter)
{
	switch (letter)
	{
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return letter;
	}
}

char *
cdr_json_unescape(const char *start, const char *end)
{
	char *text = palloc(end - start + 1);
	char *out = text;

	for (const char *p = start; p < end;)
	{
		const char *escape = memchr(p, '\\', end - p);
		size_t		plain = (escape == NULL ? end : escape) - p;

		memcpy(out, p, plain);
		out += plain;
		p += plain;
		if (escape == NULL)
			break;
		if (p[1] == 'u')
		{
			pg_wchar c = unicode_escape(&p, end);

			if (c == 0)
			{
				pfree(text);
				return NULL;
			}
			unicode_to_utf8(c, (unsigned char *) out);
			out += pg_encoding_mblen(PG_UTF8, out);
		}
		else
		{
			*out++ = short_escape(p[1]);
			p += 2;
		}
	}
	*out = '\0';
	return text;
}

void
cdr_json_replace_unspeakable(char *text, size_t length)
{
	const char *end = text + length;
	char	   *p = text;

	while (p < end && (p = memchr(p, '\\', end - p)) != NULL)
	{
		const char *next = p + 2;

		if (p[1] == 'u')
		{
			next = p;
			if (unicode_escape(&next, end) == 0)
			{
				memcpy(p, "\\ufffd", 6);
				next = p + 6;
			}
		}
		p += next - p;
	}
}

/* ------------------------------------------------------------------------
 * Numbers
 * ------------------------------------------------------------------------
 */

/* A decimal number: its digits are those of whole and then of fraction. */
typedef struct Decimal
{
	bool		negative;
	const char *whole;
	int			whole_digits;
	const char *fraction;
	int			fraction_digits;
	int			exponent;
} Decimal;

static int
count_digits(const char *text)
{
	return (int) strspn(text, "0123456789");
}

/* Reads the exponent behind "e"; false if there is none. */
static bool
read_exponent(const char *text, int *exponent)
{
	bool negative = *text == '-';
	int	 value = 0;

	if (*text == '-' || *text == '+')
		text++;
	if (count_digits(text) == 0 || text[count_digits(text)] != '\0')
		return false;
	for (; *text != '\0'; text++)
		value = Min(value * 10 + (*text - '0'), EXPONENT_MAX);
	*exponent = negative ? -value : value;
	return true;
}

static bool
read_decimal(const char *text, Decimal *number)
{
	memset(number, 0, sizeof(Decimal));
	number->negative = *text == '-';
	if (number->negative)
		text++;
	number->whole = text;
	number->whole_digits = count_digits(text);
	text += number->whole_digits;
	if (number->whole_digits == 0)
		return false;
	if (*text == '.')
	{
		number->fraction = text + 1;
		number->fraction_digits = count_digits(text + 1);
		text += 1 + number->fraction_digits;
		if (number->fraction_digits == 0)
			return false;
	}
	if (*text == 'e' || *text == 'E')
		return read_exponent(text + 1, &number->exponent);
	return *text == '\0';
}

static int
digit_at(const Decimal *number, int i)
{
	return (i < number->whole_digits
				? number->whole[i]
				: number->fraction[i - number->whole_digits]) -
		   '0';
}

/* Without any rounding: digit by digit, then the zeros of the exponent. */
bool
cdr_json_integer(const char *text, int64 *result)
{
	Decimal number;
	int		digits;
	int64	point; /* so many digits stand before the decimal point */
	int64	value = 0;

	if (!read_decimal(text, &number))
		return false;
	digits = number.whole_digits + number.fraction_digits;
	point = (int64) number.whole_digits + number.exponent;
	for (int i = 0; i < digits; i++)
	{
		int digit = digit_at(&number, i);

		if (i >= point && digit != 0)
			return false;
		if (i < point && (pg_mul_s64_overflow(value, 10, &value) ||
						  pg_sub_s64_overflow(value, digit, &value)))
			return false;
	}
	for (int64 i = digits; i < point && value != 0; i++)
	{
		if (pg_mul_s64_overflow(value, 10, &value))
			return false;
	}

	/* it was counted downwards, which reaches one further */
	if (!number.negative && pg_sub_s64_overflow(0, value, &value))
		return false;
	*result = value;
	return true;
}
