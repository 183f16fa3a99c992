/*-------------------------------------------------------------------------
 *
 * visible.c
 *	  What can be seen of a text, and digits in any script.
 *
 * Numbers are pasted from contact lists, wrapped in direction marks, with
 * blanks and dashes that only look like those of ASCII.  The tables are those
 * of Unicode 16, as far as they matter here.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "event/visible.h"

/* In place of what is cut off: in none of the tables. */
#define NOT_A_CHAR ((pg_wchar) -1)

typedef struct Range
{
	pg_wchar first;
	pg_wchar last;
} Range;

/* Controls, line ends, Default_Ignorable_Code_Point. */
static const Range invisible[] = {
	{0x0001, 0x001F},	{0x007F, 0x009F},	{0x00AD, 0x00AD},
	{0x034F, 0x034F},	{0x061C, 0x061C},	{0x115F, 0x1160},
	{0x17B4, 0x17B5},	{0x180B, 0x180F},	{0x200B, 0x200F},
	{0x2028, 0x202E},	{0x2060, 0x206F},	{0x3164, 0x3164},
	{0xFE00, 0xFE0F},	{0xFEFF, 0xFEFF},	{0xFFA0, 0xFFA0},
	{0xFFF0, 0xFFFB},	{0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
	{0xE0000, 0xE0FFF},
};

/* Space_Separator, and a pattern of Braille without dots. */
static const Range blanks[] = {
	{0x0020, 0x0020}, {0x00A0, 0x00A0}, {0x1680, 0x1680}, {0x2000, 0x200A},
	{0x202F, 0x202F}, {0x205F, 0x205F}, {0x2800, 0x2800}, {0x3000, 0x3000},
};

/* What stands between the digits of a number, or around them (the frame of a
 * key, U+20E3), and is not dialled. */
static const Range separators[] = {
	{'(', ')'},		  {'-', '.'},		{0x00B7, 0x00B7}, {0x02D7, 0x02D7},
	{0x058A, 0x058A}, {0x05BE, 0x05BE}, {0x1806, 0x1806}, {0x2010, 0x2015},
	{0x2022, 0x2022}, {0x2024, 0x2024}, {0x2027, 0x2027}, {0x2043, 0x2043},
	{0x207D, 0x207E}, {0x20E3, 0x20E3}, {0x2212, 0x2212}, {0x2219, 0x2219},
	{0x22C5, 0x22C5}, {0x2796, 0x2796}, {0x30FB, 0x30FC}, {0xFE52, 0xFE52},
	{0xFE58, 0xFE5A}, {0xFE63, 0xFE63}, {0xFF08, 0xFF09}, {0xFF0D, 0xFF0E},
	{0xFF65, 0xFF65},
};

/* The zeros of scripts, each with its nine digits behind it. */
static const pg_wchar zeros[] = {
	0x0660,	 0x06F0,  0x07C0,  0x0966,	0x09E6,	 0x0A66,  0x0AE6,  0x0B66,
	0x0BE6,	 0x0C66,  0x0CE6,  0x0D66,	0x0DE6,	 0x0E50,  0x0ED0,  0x0F20,
	0x1040,	 0x1090,  0x17E0,  0x1810,	0x1946,	 0x19D0,  0x1A80,  0x1A90,
	0x1B50,	 0x1BB0,  0x1C40,  0x1C50,	0xA620,	 0xA8D0,  0xA900,  0xA9D0,
	0xA9F0,	 0xAA50,  0xABF0,  0xFF10,	0x104A0, 0x11066, 0x110F0, 0x11136,
	0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
};

static bool
is_in(pg_wchar c, const Range *ranges, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (c <= ranges[i].last)
			return c >= ranges[i].first;
	}
	return false;
}

/* Almost every text is plain ASCII, in which nothing needs a look. */
static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

/* The character at p, and its length; it may be cut off by the end. */
static pg_wchar
char_at(const char *p, const char *end, int *length)
{
	*length = pg_encoding_mblen(PG_UTF8, p);
	if (*length <= end - p)
		return utf8_to_unicode((const unsigned char *) p);
	*length = (int) (end - p);
	return NOT_A_CHAR;
}

void
cdr_drop_invisible(char *text)
{
	const char *end = text + strlen(text);
	char	   *out = text;
	int			length;

	if (is_plain(text))
		return;
	for (const char *p = text; p < end; p += length)
	{
		if (!is_in(char_at(p, end, &length), invisible, lengthof(invisible)))
		{
			memmove(out, p, length);
			out += length;
		}
	}
	*out = '\0';
}

/* The character of ASCII that another one is dialled as; NUL: none. */
static char
dialled(pg_wchar c)
{
	switch (c)
	{
		case 0x207A: /* superscript */
		case 0xFE62: /* small */
		case 0xFF0B: /* of full width, as those below */
			return '+';
		case 0xFF0A:
			return '*';
		case 0xFF03:
			return '#';
		default:
			break;
	}
	for (int i = 0; i < (int) lengthof(zeros); i++)
	{
		if (c >= zeros[i] && c <= zeros[i] + 9)
			return (char) ('0' + (c - zeros[i]));
	}
	return '\0';
}

void
cdr_fold_number(char *number)
{
	const char *end = number + strlen(number);
	char	   *out = number;
	int			length;

	for (const char *p = number; p < end; p += length)
	{
		pg_wchar c = char_at(p, end, &length);
		char	 ascii = length > 1 ? dialled(c) : '\0';

		if (ascii != '\0')
			*out++ = ascii;
		else if (!is_in(c, separators, lengthof(separators)) &&
				 !is_in(c, blanks, lengthof(blanks)))
		{
			memmove(out, p, length);
			out += length;
		}
	}
	*out = '\0';
}

/* The length of the character that a text begins with, if it is in one of them. */
static int
length_at_start(const char *start, const char *end, bool or_invisible)
{
	int		 length;
	pg_wchar c;

	if (start >= end)
		return 0;
	c = char_at(start, end, &length);
	if (is_in(c, blanks, lengthof(blanks)) ||
		(or_invisible && is_in(c, invisible, lengthof(invisible))))
		return length;
	return 0;
}

static int
length_at_end(const char *start, const char *end, bool or_invisible)
{
	const char *p = end;

	if (start >= end)
		return 0;
	/* back to the first byte of the last character */
	do
		p--;
	while (p > start && ((unsigned char) *p & 0xC0) == 0x80);
	return length_at_start(p, end, or_invisible) == end - p ? (int) (end - p)
															: 0;
}

int
cdr_blank_at_start(const char *start, const char *end)
{
	return length_at_start(start, end, false);
}

int
cdr_blank_at_end(const char *start, const char *end)
{
	return length_at_end(start, end, false);
}

void
cdr_trim(const char **start, const char **end)
{
	int length;

	while ((length = length_at_start(*start, *end, true)) > 0)
		*start += length;
	while ((length = length_at_end(*start, *end, true)) > 0)
		*end -= length;
}
