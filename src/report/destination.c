/*-------------------------------------------------------------------------
 *
 * destination.c
 *	  SQL: where a number is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/guc.h"

/* Of a number without a plus: an area, or a network, in most countries. */
#define PREFIX_LENGTH 3

/*
 * How long the country code is that a number begins with, by ITU-T E.164 (its list of
 * assigned country codes): zones 1 and 7 have one digit, the others two or, for
 * those that are not named here, three.
 */
static int
country_code_length(const char *digits)
{
	static const char two_digits[] =
		"20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 "
		"56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 ";
	char first_two[] = {digits[0], digits[1], ' ', '\0'};

	if (digits[0] == '1' || digits[0] == '7')
		return 1;
	return strstr(two_digits, first_two) != NULL ? 2 : 3;
}

PG_FUNCTION_INFO_V1(cdr_destination);

Datum
cdr_destination(PG_FUNCTION_ARGS)
{
	char  *number = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool   has_plus = *number == '+';
	char  *digits = number + has_plus;
	size_t length = strlen(digits);
	int	   prefix = PREFIX_LENGTH;

	if (length == 0 || strspn(digits, "0123456789") != length)
		PG_RETURN_NULL();
	if (!has_plus && length <= (size_t) cdr_extension_digits)
		PG_RETURN_NULL();
	if (has_plus && length >= 2)
		prefix = country_code_length(digits);
	number[has_plus + Min(prefix, (int) length)] = '\0';
	PG_RETURN_TEXT_P(cstring_to_text(number));
}
