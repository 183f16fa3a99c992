/*-------------------------------------------------------------------------
 *
 * content.c
 *	  What is inside of a message's body: the bytes that a form reads, when
 *	  what they were packed into is taken off.
 *
 * A publisher packs from the inside to the outside: the text into a character
 * set, that into compressions, in the order in which the content encoding names
 * them, and that into a value of AMQP 1.0.  Here they are taken off in the opposite order.  The bytes that came
 * stay those of the event.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "event/amqp10.h"
#include "event/charset.h"
#include "event/content.h"
#include "event/fields.h"
#include "event/inflate.h"
#include "event/json_mend.h"
#include "event/labels.h"
#include "event/notes.h"

/* So many compressions may be around a body: one of them is usual. */
#define COMPRESSIONS_MAX 4

/* What was taken off is inside of a body. */
static void
content_is(CdrContent *content, char *bytes, size_t length)
{
	if (content->unpacked != NULL)
		pfree(content->unpacked);
	content->unpacked = bytes;
	content->body = bytes;
	content->length = length;
}

/* ------------------------------------------------------------------------
 * AMQP 1.0
 * ------------------------------------------------------------------------
 */

static const CdrReason *
take_off_section(CdrContent *content)
{
	const char *type = content->message->type;

	if (type == NULL || strcmp(type, CDR_AMQP10_TYPE) != 0)
		return NULL;
	content->needs_properties = true;
	return cdr_amqp10_value(content->body, content->length, &content->body,
							&content->length);
}

/* ------------------------------------------------------------------------
 * Compressions
 * ------------------------------------------------------------------------
 */

/* The limit of an event is also one of what is inside of it. */
static const CdrReason *
inflates_to_too_much(size_t limit)
{
	return cdr_no_event(
		ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		psprintf("event is compressed, and larger than "
				 "cdr_service.max_event_size (%zu bytes) when it is inflated",
				 limit));
}

static const CdrReason *
inflate_content(CdrContent *content, CdrCompression how,
				const CdrEventOptions *options)
{
	/* an event of the log was small enough once, whatever the limit was */
	size_t		limit = Min(options->max_event_size, CDR_EVENT_SIZE_MAX);
	CdrInflated inflated =
		cdr_inflate(how, content->body, content->length, limit);
	CdrReason *reason;

	if (inflated.problem == NULL)
	{
		content_is(content, inflated.bytes, inflated.length);
		cdr_notes_packing(options->notes,
						  how == CDR_GZIP ? "gzip" : "deflate");
		return NULL;
	}
	if (inflated.too_large)
		return inflates_to_too_much(limit);
	reason = palloc0(sizeof(CdrReason));
	reason->sqlerrcode = ERRCODE_INVALID_BINARY_REPRESENTATION;
	reason->message = how == CDR_GZIP
						  ? "body is compressed (gzip), and damaged"
						  : "body is compressed (deflate), and damaged";
	reason->detail = inflated.problem;
	return reason;
}

/* How a word of a content encoding says that it is compressed; false: not. */
static bool
is_compression(CdrLabel label, CdrCompression *how)
{
	static const char *const deflates[] = {"deflate", "zlib"};

	if (label.length > 2 && pg_strncasecmp(label.start, "x-", 2) == 0)
	{
		label.start += 2;
		label.length -= 2;
	}
	*how = cdr_label_is(label, "gzip") ? CDR_GZIP : CDR_DEFLATE;
	return *how == CDR_GZIP ||
		   cdr_label_among(label, deflates, lengthof(deflates)) != NULL;
}

/* NULL: the body is not compressed. */
static const CdrReason *
refuse_compression(const char *name)
{
	return name == NULL
			   ? NULL
			   : cdr_no_event(ERRCODE_INVALID_BINARY_REPRESENTATION,
							  psprintf("body is compressed (%s)", name));
}

static const CdrReason *
take_off_compressions(CdrContent *content, const CdrEventOptions *options)
{
	const char		*encodings = content->message->content_encoding;
	size_t			 left = encodings == NULL ? 0 : strlen(encodings);
	const CdrReason *reason = NULL;
	int				 count = 0;
	CdrLabel		 label;
	CdrCompression	 how;

	while (reason == NULL && left > 0 &&
		   cdr_label_before(encodings, &left, &label))
	{
		if (!is_compression(label, &how))
			reason = refuse_compression(cdr_label_other_compression(label));
		else if (++count > COMPRESSIONS_MAX)
			reason =
				cdr_no_event(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							 psprintf("body is compressed more than %d times",
									  COMPRESSIONS_MAX));
		else
			reason = inflate_content(content, how, options);
	}
	content->needs_properties |= count > 0;
	/* nobody says so */
	if (reason == NULL && count == 0 &&
		cdr_is_gzip(content->body, content->length))
		reason = inflate_content(content, CDR_GZIP, options);
	return reason;
}

/* ------------------------------------------------------------------------
 * Character sets
 * ------------------------------------------------------------------------
 */

/*
 * Protobuf that comes with a label of text stays what it is: it has bytes that
 * no text has, in the tags of its fields.
 */
static bool
is_plain_text(const CdrContent *content)
{
	for (size_t i = 0; i < content->length; i++)
	{
		unsigned char c = (unsigned char) content->body[i];

		if (c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f')
			return false;
	}
	return true;
}

/* Are so many bytes that are not UTF-8 text of a character set? */
static bool
is_other_text(const CdrContent *content, CdrLabel charset)
{
	bool is_wide =
		charset.length >= 3 && (pg_strncasecmp(charset.start, "utf", 3) == 0 ||
								pg_strncasecmp(charset.start, "ucs", 3) == 0);

	return (is_wide || is_plain_text(content)) &&
		   pg_encoding_verifymbstr(PG_UTF8, content->body,
								   (int) content->length) !=
			   (int) content->length;
}

static const CdrReason *
not_converted(CdrConversion conversion, CdrLabel charset)
{
	if (conversion == CDR_NOT_IN_CHARSET)
		return cdr_no_event(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
							psprintf("body is not valid in charset %.*s",
									 charset.length, charset.start));
	return cdr_no_event(
		ERRCODE_UNTRANSLATABLE_CHARACTER,
		psprintf("body has a character of charset %.*s that has no equivalent "
				 "in UTF-8",
				 charset.length, charset.start));
}

static const CdrReason *
convert_content(CdrContent *content, CdrLabel charset,
				const CdrEventOptions *options)
{
	size_t		  limit = Min(options->max_event_size, CDR_EVENT_SIZE_MAX);
	char		 *utf8;
	size_t		  length;
	CdrConversion conversion =
		cdr_charset_convert(charset, content->body, content->length,
							options->convert, &utf8, &length);

	/* a form may read it all the same, or there will be a better reason */
	if (conversion == CDR_CHARSET_UNKNOWN)
		return NULL;
	if (conversion != CDR_CONVERTED)
		return not_converted(conversion, charset);
	content_is(content, utf8, length);
	cdr_notes_packing(options->notes, "another character set");
	if (length <= limit)
		return NULL;
	return cdr_no_event(
		ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		psprintf("event is larger than cdr_service.max_event_size (%zu bytes) "
				 "in UTF-8",
				 limit));
}

/* Bytes that tell go before words; what is UTF-8 is that, whatever they say. */
static const CdrReason *
take_off_charset(CdrContent *content, const CdrEventOptions *options)
{
	const char *told = cdr_charset_of_bytes(content->body, content->length);
	const char *encodings = content->message->content_encoding;
	CdrLabel	charset;

	if (told != NULL)
		return convert_content(content, (CdrLabel){told, (int) strlen(told)},
							   options);
	if (content->content_type == NULL && encodings == NULL)
		return NULL;
	charset = cdr_label_other_charset(content->content_type, encodings);
	if (charset.length == 0 || !is_other_text(content, charset))
		return NULL;
	content->needs_properties |=
		cdr_label_other_charset(content->content_type, NULL).length == 0;
	return convert_content(content, charset, options);
}

/* ------------------------------------------------------------------------
 * The content
 * ------------------------------------------------------------------------
 */

static void
content_as_it_came(const CdrMessage *message, CdrContent *content)
{
	memset(content, 0, sizeof(CdrContent));
	content->message = message;
	content->body = message->body;
	content->length = message->body_length;
	content->content_type = message->content_type;
}

const CdrReason *
cdr_content_open(const CdrMessage *message, const CdrEventOptions *options,
				 CdrContent *content)
{
	const CdrReason *reason;

	content_as_it_came(message, content);
	reason = take_off_section(content);
	if (content->body != message->body)
		cdr_notes_packing(options->notes, "a value of AMQP 1.0");
	if (reason == NULL)
		reason = take_off_compressions(content, options);
	if (reason == NULL)
		reason = take_off_charset(content, options);
	return reason;
}

void
cdr_content_of_json(const CdrMessage *message, CdrContent *content)
{
	content_as_it_came(message, content);
	content->known_json = true;
}

bool
cdr_content_mend(CdrContent *content, const CdrEventOptions *options)
{
	size_t length;
	char  *mended;

	/* a value of SQL's type json is JSON */
	if (content->known_json)
		return false;
	mended = cdr_json_mend(content->body, content->length, &length);
	if (mended == NULL)
		return false;
	content_is(content, mended, length);
	content->known_json = true;
	cdr_notes_packing(options->notes,
					  "text that is nearly JSON (NaN, Infinity, NUL bytes)");
	return true;
}

void
cdr_content_close(CdrContent *content)
{
	if (content->unpacked != NULL)
		pfree(content->unpacked);
	content->unpacked = NULL;
	content->body = NULL;
	content->length = 0;
}
