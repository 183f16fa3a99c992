/*-------------------------------------------------------------------------
 *
 * labels.c
 *	  The words in the properties content type and content encoding.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/labels.h"

/* Longer names than this are none of a compression or a character set. */
#define NAME_MAX 40

/* What a name is made of. */
#define NAME_BYTES               \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789-_.+()"

/* The name at the start of a text, without quotes; empty: none. */
static CdrLabel
name_at(const char *text)
{
	CdrLabel label;

	text += strspn(text, " \t\"'");
	label.start = text;
	label.length = (int) strspn(text, NAME_BYTES ":");
	if (label.length > NAME_MAX)
		label.length = 0;
	return label;
}

const char *
cdr_label_among(CdrLabel label, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		if ((int) strlen(names[i]) == label.length &&
			pg_strncasecmp(names[i], label.start, label.length) == 0)
			return names[i];
	}
	return NULL;
}

/* The parameter charset of a content type. */
static CdrLabel
charset_parameter(const char *content_type)
{
	static const char name[] = "charset";
	const char		 *parameter =
		  content_type == NULL ? NULL : strchr(content_type, ';');

	while (parameter != NULL)
	{
		parameter++;
		parameter += strspn(parameter, " \t");
		if (pg_strncasecmp(parameter, name, strlen(name)) == 0)
		{
			const char *value = parameter + strlen(name);

			value += strspn(value, " \t");
			if (*value == '=')
				return name_at(value + 1);
		}
		parameter = strchr(parameter, ';');
	}
	return (CdrLabel){NULL, 0};
}

/* Spring writes a colon between them, HTTP a comma. */
static bool
is_between(char c)
{
	return c == ',' || c == ':' || c == ';' || c == ' ' || c == '\t' ||
		   c == '"' || c == '\'';
}

bool
cdr_label_before(const char *encodings, size_t *left, CdrLabel *label)
{
	size_t end = *left;
	size_t start;

	while (end > 0 && is_between(encodings[end - 1]))
		end--;
	for (start = end; start > 0 && !is_between(encodings[start - 1]);)
		start--;
	label->start = encodings + start;
	label->length = end - start > NAME_MAX ||
							strspn(label->start, NAME_BYTES) < end - start
						? 0
						: (int) (end - start);
	*left = start;
	return end > 0;
}

/* Does a word of a content encoding look like the name of a character set? */
static bool
looks_like_charset(CdrLabel label)
{
	static const char *const beginnings[] = {
		"iso-",		 "iso_",  "iso8859", "latin", "windows-", "win1", "cp1",
		"utf-16",	 "utf16", "utf-32",	 "utf32", "ucs-",	  "koi8", "tis-",
		"shift_jis", "sjis",  "euc-",	 "gb",	  "big5",	  "uhc"};

	for (int i = 0; i < (int) lengthof(beginnings); i++)
	{
		int length = (int) strlen(beginnings[i]);

		if (label.length >= length &&
			pg_strncasecmp(beginnings[i], label.start, length) == 0)
			return true;
	}
	return false;
}

CdrLabel
cdr_label_other_charset(const char *content_type, const char *encodings)
{
	static const char *const readable[] = {"utf-8", "utf8", "us-ascii",
										   "ascii"};
	size_t					 left = encodings == NULL ? 0 : strlen(encodings);
	CdrLabel				 label = charset_parameter(content_type);

	while (label.length == 0 && left > 0 &&
		   cdr_label_before(encodings, &left, &label))
	{
		if (!looks_like_charset(label))
			label.length = 0;
	}
	if (cdr_label_among(label, readable, lengthof(readable)) != NULL)
		label.length = 0;
	return label;
}

const char *
cdr_label_other_compression(CdrLabel label)
{
	static const char *const names[] = {
		"compress", "br",	"brotli", "zstd", "lz4", "snappy", "s2",  "bzip2",
		"bz2",		"bzip", "xz",	  "lzma", "zip", "dcb",	   "dcz", "lzo"};
	if (label.length > 2 && pg_strncasecmp(label.start, "x-", 2) == 0)
	{
		label.start += 2;
		label.length -= 2;
	}
	return cdr_label_among(label, names, lengthof(names));
}
