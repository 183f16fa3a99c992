/*-------------------------------------------------------------------------
 *
 * decimal.h
 *	  Numbers as JSON writes them, digit by digit: nothing is rounded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_DECIMAL_H
#define CDR_DECIMAL_H

/* A decimal number, whose digits stand in the text that it was read from. */
typedef struct CdrDecimal
{
	bool		negative;
	const char *whole;
	int			whole_digits;
	const char *fraction; /* behind the point */
	int			fraction_digits;
	int			exponent;
} CdrDecimal;

/*
 * Reads the number that the text begins with: 4711, 4711.0, 4.711e3.  Returns
 * where it ends; NULL: there is none.
 */
extern const char *cdr_decimal_read(const char *text, CdrDecimal *number);

/* How many digits it has, each of them, and how many stand before the point. */
extern int cdr_decimal_digits(const CdrDecimal *number);
extern int cdr_decimal_digit(const CdrDecimal *number, int i);
extern int cdr_decimal_point(const CdrDecimal *number);

/* Is there nothing but zeros behind its point? */
extern bool cdr_decimal_is_whole(const CdrDecimal *number);

/*
 * The integer that it is.  Returns false, leaving *result alone, for what is no
 * integer, or none of 64 bits.
 */
extern bool cdr_decimal_integer(const CdrDecimal *number, int64 *result);

/*
 * The number times a power of ten, rounded half to even.  Returns false, leaving
 * *result alone, for what does not fit 64 bits.
 */
extern bool
cdr_decimal_scaled(const CdrDecimal *number, int power, int64 *result);

#endif /* CDR_DECIMAL_H */
