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

static const CdrReason *
compressed(const char *how)
{
	return cdr_no_event(ERRCODE_INVALID_BINARY_REPRESENTATION,
						psprintf("body is compressed (%s)", how));
}

static const CdrReason *
other_charset(CdrLabel charset)
{
	return cdr_no_event(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
						psprintf("body is in charset %.*s, not UTF-8",
								 charset.length, charset.start));
}

/* ------------------------------------------------------------------------
 * What properties say
 * ------------------------------------------------------------------------
 */

static const CdrReason *
said_other_charset(const CdrContent *content)
{
	CdrLabel charset = cdr_label_other_charset(
		content->content_type, content->message->content_encoding);

	if (charset.length == 0)
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
	const char *compression;
} beginnings[] = {
	{"\xfd"
	 "7zXZ\0",
	 6, "xz"},
	{"\x28\xb5\x2f\xfd", 4, "zstd"},
	{"\x04\x22\x4d\x18", 4, "lz4"},
	{"PK\x03\x04", 4, "zip"},
	{"\xff\x06\x00\x00"
	 "sNaPpY",
	 10, "snappy"},
	{"BZh", 3, "bzip2"},
	{"\x1f\x8b", 2, "gzip"},
	{"\x1f\x9d", 2, "compress"},
	{"\x78\x01", 2, "deflate"},
	{"\x78\x5e", 2, "deflate"},
	{"\x78\x9c", 2, "deflate"},
	{"\x78\xda", 2, "deflate"},
};

static const CdrReason *
bytes_tell(const CdrContent *content)
{
	for (int i = 0; i < (int) lengthof(beginnings); i++)
	{
		if (content->length >= (size_t) beginnings[i].length &&
			memcmp(content->body, beginnings[i].bytes, beginnings[i].length) ==
				0)
			return compressed(beginnings[i].compression);
	}
	return NULL;
}

const CdrReason *
cdr_why_unreadable(const CdrContent *content, const CdrReason *reason)
{
	const CdrReason *better;

	if (reason->sqlerrcode != ERRCODE_INVALID_TEXT_REPRESENTATION &&
		reason->sqlerrcode != ERRCODE_INVALID_BINARY_REPRESENTATION &&
		reason->sqlerrcode != ERRCODE_CHARACTER_NOT_IN_REPERTOIRE)
		return reason;
	better = bytes_tell(content);
	if (better == NULL)
		better = said_other_charset(content);
	return better == NULL ? reason : better;
}
