/*-------------------------------------------------------------------------
 *
 * charset.c
 *	  Text in another character set, as UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "event/charset.h"

#define BYTE_ORDER_MARK	 0xFEFF
#define SURROGATE_FIRST	 0xD800
#define SURROGATE_SECOND 0xDC00
#define SURROGATE_END	 0xE000
#define CHARACTER_END	 0x110000

const char *
cdr_charset_of_bytes(const char *bytes, size_t length)
{
	/* what begins so, the longer beginnings first */
	static const struct
	{
		const char *bytes;
		int			length;
		const char *charset;
	} beginnings[] = {
		{"\xff\xfe\0\0", 4, "UTF-32LE"}, {"\0\0\xfe\xff", 4, "UTF-32BE"},
		{"{\0\0\0", 4, "UTF-32LE"},		 {"\0\0\0{", 4, "UTF-32BE"},
		{"[\0\0\0", 4, "UTF-32LE"},		 {"\0\0\0[", 4, "UTF-32BE"},
		{"\xff\xfe", 2, "UTF-16LE"},	 {"\xfe\xff", 2, "UTF-16BE"},
		{"{\0", 2, "UTF-16LE"},			 {"\0{", 2, "UTF-16BE"},
		{"[\0", 2, "UTF-16LE"},			 {"\0[", 2, "UTF-16BE"},
	};

	/* nearly all of them are told by two bytes */
	if (length < 2 || (bytes[1] != '\0' && bytes[0] != '\0' &&
					   (unsigned char) bytes[0] < 0xfe))
		return NULL;
	for (int i = 0; i < (int) lengthof(beginnings); i++)
	{
		if (length >= (size_t) beginnings[i].length &&
			memcmp(bytes, beginnings[i].bytes, beginnings[i].length) == 0)
			return beginnings[i].charset;
	}
	return NULL;
}

/* What is read: units of some bytes, in one order or the other. */
typedef struct Units
{
	const unsigned char *at;
	size_t				 left; /* units */
	int					 size;
	bool				 little;
} Units;

static uint32
next_unit(Units *units)
{
	uint32 unit = 0;

	for (int i = 0; i < units->size; i++)
		unit = unit << 8 | units->at[units->little ? units->size - 1 - i : i];
	units->at += units->size;
	units->left--;
	return unit;
}

/* The next character; 0: that is none, or one that no text can hold. */
static uint32
next_character(Units *units)
{
	uint32 first = next_unit(units);
	uint32 second;

	if (first < SURROGATE_FIRST ||
		(first >= SURROGATE_END && first < CHARACTER_END))
		return first;
	if (units->size != 2 || first >= SURROGATE_SECOND || units->left == 0)
		return 0;
	second = next_unit(units);
	if (second < SURROGATE_SECOND || second >= SURROGATE_END)
		return 0;
	return 0x10000 + ((first - SURROGATE_FIRST) << 10) +
		   (second - SURROGATE_SECOND);
}

static CdrConversion
convert_units(Units *units, char **utf8, size_t *utf8_length)
{
	unsigned char *text = palloc(units->left * CDR_CHARSET_GROWTH + 1);
	size_t		   length = 0;
	bool		   is_first = true;

	while (units->left > 0)
	{
		uint32 character = next_character(units);

		if (character == 0)
		{
			pfree(text);
			return CDR_NOT_IN_CHARSET;
		}
		if (!is_first || character != BYTE_ORDER_MARK)
		{
			unicode_to_utf8((pg_wchar) character, text + length);
			length +=
				(size_t) pg_encoding_mblen(PG_UTF8, (char *) text + length);
		}
		is_first = false;
		if ((units->left & 0xFFFF) == 0)
			CDR_CHECK_FOR_INTERRUPTS();
	}
	*utf8 = (char *) text;
	*utf8_length = length;
	return CDR_CONVERTED;
}

/* UTF-16 whose order neither its name nor a mark tells: an ASCII letter does. */
static bool
looks_little(const char *bytes, size_t length)
{
	if (length < 2)
		return false;
	if (strncmp(bytes, "\xff\xfe", 2) == 0)
		return true;
	return bytes[0] != '\0' && bytes[1] == '\0';
}

/* Which of those that are read here; false: none of them. */
static bool
find_units(CdrLabel charset, const char *bytes, size_t length, Units *units)
{
	static const char *const ones[] = {"iso-8859-1", "iso_8859-1", "iso8859-1",
									   "latin1", "latin-1"};
	static const char *const littles[] = {"utf-16le", "utf16le", "utf-32le",
										  "utf32le"};
	static const char *const twos[] = {
		"utf-16le", "utf16le", "utf-16be", "utf16be",
		"utf-16",	"utf16",   "ucs-2",	   "iso-10646-ucs-2"};
	static const char *const fours[] = {
		"utf-32le", "utf32le", "utf-32be", "utf32be",
		"utf-32",	"utf32",   "ucs-4",	   "iso-10646-ucs-4"};
	static const char *const open[] = {"utf-16", "utf16", "ucs-2",
									   "iso-10646-ucs-2"};

	units->little =
		cdr_label_among(charset, littles, lengthof(littles)) != NULL ||
		(cdr_label_among(charset, open, lengthof(open)) != NULL &&
		 looks_little(bytes, length));
	if (cdr_label_among(charset, ones, lengthof(ones)) != NULL)
		units->size = 1;
	else if (cdr_label_among(charset, twos, lengthof(twos)) != NULL)
		units->size = 2;
	else if (cdr_label_among(charset, fours, lengthof(fours)) != NULL)
		units->size = 4;
	else
		return false;
	units->at = (const unsigned char *) bytes;
	units->left = length / units->size;
	return true;
}

CdrConversion
cdr_charset_convert(CdrLabel charset, const char *bytes, size_t length,
					CdrConverter *others, char **utf8, size_t *utf8_length)
{
	Units		  units;
	char		 *name;
	CdrConversion result;

	if (find_units(charset, bytes, length, &units))
		return length % units.size == 0
				   ? convert_units(&units, utf8, utf8_length)
				   : CDR_NOT_IN_CHARSET;
	if (others == NULL)
		return CDR_CHARSET_UNKNOWN;
	name = pnstrdup(charset.start, charset.length);
	result = others(name, bytes, length, utf8, utf8_length);
	pfree(name);
	return result;
}
