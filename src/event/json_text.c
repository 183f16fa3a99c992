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

#include "mb/pg_wchar.h"

#include "event/decimal.h"
#include "event/json_text.h"
#include "event/visible.h"

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

bool
cdr_json_integer(const char *text, int64 *result)
{
	CdrDecimal	number;
	const char *end = cdr_decimal_read(text, &number);

	return end != NULL && *end == '\0' && cdr_decimal_integer(&number, result);
}

int64
cdr_json_integer_or_none(const char *text)
{
	CdrDecimal	number;
	const char *end;
	int64		result;

	if (text == NULL)
		return 0;
	end = text + strlen(text);
	cdr_trim(&text, &end);
	return cdr_decimal_read(text, &number) == end &&
				   cdr_decimal_integer(&number, &result)
			   ? result
			   : 0;
}

void
cdr_json_pointer_part(const char *name, size_t length, StringInfo out)
{
	for (size_t i = 0; i < length; i++)
	{
		if (name[i] == '~')
			appendStringInfoString(out, "~0");
		else if (name[i] == '/')
			appendStringInfoString(out, "~1");
		else
			appendStringInfoChar(out, name[i]);
	}
}
