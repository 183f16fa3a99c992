/*-------------------------------------------------------------------------
 *
 * unreadable.c
 *	  What a body is instead, which no form can read: compressed, or text that
 *	  is not UTF-8.
 *
 * What bytes tell is asked only when all forms have failed, so that nothing
 * that can be read is taken for something else.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/unreadable.h"

/* Longer names than this are none of a compression or a character set. */
#define NAME_MAX 40

/* A stretch of a property. */
typedef struct Word
{
	const char *start;
	int			length;
} Word;

static const CdrReason *
compressed(const char *how)
{
	return cdr_no_event(ERRCODE_INVALID_BINARY_REPRESENTATION,
						psprintf("body is compressed (%s)", how));
}

static const CdrReason *
other_charset(Word charset)
{
	return cdr_no_event(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
						psprintf("body is in charset %.*s, not UTF-8",
								 charset.length, charset.start));
}

/* Which of the names a word is, as it stands among them; NULL: none. */
static const char *
name_of(Word word, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		if ((int) strlen(names[i]) == word.length &&
			pg_strncasecmp(names[i], word.start, word.length) == 0)
			return names[i];
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * What properties say
 * ------------------------------------------------------------------------
 */

/* The name at the start of a text, without quotes; empty: none. */
static Word
name_at(const char *text)
{
	Word word;

	text += strspn(text, " \t\"'");
	word.start = text;
	word.length = (int) strspn(text, "abcdefghijklmnopqrstuvwxyz"
									 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
									 "0123456789-_.:+()");
	if (word.length > NAME_MAX)
		word.length = 0;
	return word;
}

/* Several encodings may stand there; the last one is on the outside. */
static const char *
last_encoding(const char *encodings)
{
	const char *comma = strrchr(encodings, ',');

	return comma == NULL ? encodings : comma + 1;
}

const CdrReason *
cdr_said_compressed(const CdrMessage *message)
{
	static const char *const names[] = {
		"gzip", "deflate", "compress", "br",	"brotli", "zstd", "zlib",
		"lz4",	"snappy",  "s2",	   "bzip2", "bz2",	  "bzip", "xz",
		"lzma", "zip",	   "dcb",	   "dcz",	"lzo"};
	Word		word;
	const char *name;

	if (message->content_encoding == NULL)
		return NULL;
	word = name_at(last_encoding(message->content_encoding));
	if (word.length > 2 && pg_strncasecmp(word.start, "x-", 2) == 0)
	{
		word.start += 2;
		word.length -= 2;
	}
	name = name_of(word, names, lengthof(names));
	return name == NULL ? NULL : compressed(name);
}

/* The parameter charset of a content type; empty: it has none. */
static Word
said_charset(const char *content_type)
{
	static const char name[] = "charset";
	const char		 *parameter = strchr(content_type, ';');

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
	return (Word){NULL, 0};
}

/* Some libraries put the character set into the content encoding. */
static Word
charset_as_encoding(const char *encoding)
{
	static const char *const beginnings[] = {
		"iso-",		 "iso8859", "latin", "windows-", "cp1",
		"utf-16",	 "utf-32",	"utf16", "utf32",	 "koi8",
		"shift_jis", "sjis",	"euc-",	 "gb",		 "big5"};

	for (int i = 0; i < (int) lengthof(beginnings); i++)
	{
		if (pg_strncasecmp(beginnings[i], encoding, strlen(beginnings[i])) ==
			0)
			return name_at(encoding);
	}
	return (Word){NULL, 0};
}

static const CdrReason *
said_other_charset(const CdrMessage *message)
{
	static const char *const readable[] = {"utf-8", "utf8", "us-ascii",
										   "ascii"};
	Word					 charset = {NULL, 0};

	if (message->content_type != NULL)
		charset = said_charset(message->content_type);
	if (charset.length == 0 && message->content_encoding != NULL)
		charset = charset_as_encoding(message->content_encoding);
	if (charset.length == 0 ||
		name_of(charset, readable, lengthof(readable)) != NULL)
		return NULL;
	return other_charset(charset);
}

/* ------------------------------------------------------------------------
 * What bytes tell
 * ------------------------------------------------------------------------
 */

/* What begins so: the longer beginnings first. */
static const struct
{
	const char *bytes;
	int			length;
	const char *compression; /* NULL: it is text */
	const char *charset;
} beginnings[] = {
	{"\xfd"
	 "7zXZ\0",
	 6, "xz", NULL},
	{"\x28\xb5\x2f\xfd", 4, "zstd", NULL},
	{"\x04\x22\x4d\x18", 4, "lz4", NULL},
	{"PK\x03\x04", 4, "zip", NULL},
	{"\xff\x06\x00\x00"
	 "sNaPpY",
	 10, "snappy", NULL},
	{"BZh", 3, "bzip2", NULL},
	{"\x1f\x8b", 2, "gzip", NULL},
	{"\x1f\x9d", 2, "compress", NULL},
	{"\x78\x01", 2, "deflate", NULL},
	{"\x78\x5e", 2, "deflate", NULL},
	{"\x78\x9c", 2, "deflate", NULL},
	{"\x78\xda", 2, "deflate", NULL},
	/* a byte order mark, or a brace among NULs */
	{"\xff\xfe\0\0", 4, NULL, "UTF-32"},
	{"\0\0\xfe\xff", 4, NULL, "UTF-32"},
	{"{\0\0\0", 4, NULL, "UTF-32"},
	{"\0\0\0{", 4, NULL, "UTF-32"},
	{"\xff\xfe", 2, NULL, "UTF-16"},
	{"\xfe\xff", 2, NULL, "UTF-16"},
	{"{\0", 2, NULL, "UTF-16"},
	{"\0{", 2, NULL, "UTF-16"},
};

static const CdrReason *
bytes_tell(const CdrMessage *message)
{
	for (int i = 0; i < (int) lengthof(beginnings); i++)
	{
		const char *charset = beginnings[i].charset;

		if (message->body_length < (size_t) beginnings[i].length ||
			memcmp(message->body, beginnings[i].bytes, beginnings[i].length) !=
				0)
			continue;
		if (charset == NULL)
			return compressed(beginnings[i].compression);
		return other_charset((Word){charset, (int) strlen(charset)});
	}
	return NULL;
}

const CdrReason *
cdr_why_unreadable(const CdrMessage *message, const CdrReason *reason)
{
	const CdrReason *better;

	if (reason->sqlerrcode != ERRCODE_INVALID_TEXT_REPRESENTATION &&
		reason->sqlerrcode != ERRCODE_INVALID_BINARY_REPRESENTATION &&
		reason->sqlerrcode != ERRCODE_CHARACTER_NOT_IN_REPERTOIRE)
		return reason;
	better = bytes_tell(message);
	if (better == NULL)
		better = said_other_charset(message);
	return better == NULL ? reason : better;
}
