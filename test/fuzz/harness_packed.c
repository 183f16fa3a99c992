/*-------------------------------------------------------------------------
 *
 * harness_packed.c
 *	  Holds what takes wrappings off to what it promises: what is packed says
 *	  what it said before, in bounded memory, and what is cut says nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <zlib.h>

#include "mb/pg_wchar.h"

#include "harness.h"
#include "promise.h"
#include "event/amqp10.h"
#include "event/inflate.h"

#define MEGABYTE (1024 * 1024)

static const CdrEventOptions options = {.max_event_size = MEGABYTE,
										.extension_digits = 6};

/* A body as zlib packs it; malloc()ed. */
static char *
deflated(const char *body, size_t length, int window, size_t *packed_length)
{
	z_stream stream = {0};
	size_t	 size;
	char	*packed;

	if (deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) !=
		Z_OK)
		abort();
	size = deflateBound(&stream, length);
	packed = malloc(size);
	if (packed == NULL)
		abort();
	stream.next_in = (Bytef *) unconstify(char *, body);
	stream.avail_in = (uInt) length;
	stream.next_out = (Bytef *) packed;
	stream.avail_out = (uInt) size;
	PROMISE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	*packed_length = stream.total_out;
	(void) deflateEnd(&stream);
	return packed;
}

/* A body as a value of AMQP 1.0; malloc()ed. */
static char *
in_section(const char *body, size_t length, size_t *packed_length)
{
	char *packed = malloc(length + 8);

	if (packed == NULL)
		abort();
	memcpy(packed, "\0\x53\x77\xb0", 4);
	for (int i = 0; i < 4; i++)
		packed[4 + i] = (char) (length >> (24 - 8 * i));
	if (length > 0)
		memcpy(packed + 8, body, length);
	*packed_length = length + 8;
	return packed;
}

/* A message of another body says the same; cut off anywhere, it is no event. */
static void
says_the_same(const CdrMessage *message, const CdrEvent *plain, char *packed,
			  size_t length)
{
	CdrMessage twin = *message;
	CdrEvent   event;
	size_t	   step = length / 16 + 1;

	twin.body = packed;
	twin.body_length = twin.body_size = length;
	PROMISE(cdr_event_parse(&twin, &options, &event) ==
			(plain->reason == NULL));
	if (plain->reason != NULL)
		PROMISE(event.reason->sqlerrcode == plain->reason->sqlerrcode);
	else
	{
		PROMISE(event.needs_properties && !event.is_json);
		harness_same_facts(&event, plain);
	}
	for (size_t cut = 0; cut < length; cut += step)
	{
		twin.body_length = twin.body_size = cut;
		PROMISE(!cdr_event_parse(&twin, &options, &event));
		PROMISE(event.reason->sqlerrcode ==
				ERRCODE_INVALID_BINARY_REPRESENTATION);
	}
	free(packed);
}

void
harness_pack(const char *body, size_t length)
{
	CdrMessage message = {.body = body,
						  .body_length = length,
						  .body_size = length,
						  .property_time = CDR_NO_TIME,
						  .received_at = HARNESS_RECEIVED_AT};
	CdrEvent   plain;
	size_t	   packed_length;
	char	  *packed;

	/* what is packed already would be unpacked once in both */
	if (cdr_is_gzip(body, length))
		return;
	(void) cdr_event_parse(&message, &options, &plain);
	message.type = CDR_AMQP10_TYPE;
	packed = in_section(body, length, &packed_length);
	says_the_same(&message, &plain, packed, packed_length);
	message.type = NULL;

	message.content_encoding = "gzip";
	packed = deflated(body, length, 15 + 16, &packed_length);
	says_the_same(&message, &plain, packed, packed_length);
	message.content_encoding = "deflate";
	packed = deflated(body, length, 15, &packed_length);
	says_the_same(&message, &plain, packed, packed_length);
	packed = deflated(body, length, -15, &packed_length);
	says_the_same(&message, &plain, packed, packed_length);
}

void
harness_unpack(const char *body, size_t length, const char *content_encoding,
			   const char *content_type, const char *type, CdrEvent *event)
{
	static const CdrEventOptions tiny = {.max_event_size = 64};
	static CdrMessage			 message;
	CdrEvent					 again;

	message = (CdrMessage){.body = body,
						   .body_length = length,
						   .body_size = length,
						   .content_encoding = content_encoding,
						   .content_type = content_type,
						   .type = type,
						   .property_time = CDR_NO_TIME,
						   .received_at = HARNESS_RECEIVED_AT};
	memset(event, 0x55, sizeof(CdrEvent));
	(void) cdr_event_parse(&message, &options, event);
	(void) cdr_event_parse(&message, &options, &again);
	PROMISE((event->reason == NULL) == (again.reason == NULL));
	PROMISE(event->unpacked == again.unpacked);
	PROMISE(event->unpacked <= MEGABYTE || event->reason != NULL);
	if (event->reason == NULL)
		harness_same_facts(event, &again);
	else
		PROMISE(event->reason->sqlerrcode == again.reason->sqlerrcode);

	message.body_size = 0; /* only what is inside is measured then */
	if (cdr_event_parse(&message, &tiny, &again))
		PROMISE(again.unpacked <= 64);
	message.body_size = length;
}

void
harness_amqp10_properties(const char *bytes, size_t length)
{
	CdrAmqp10Properties properties;

	if (!cdr_amqp10_application_properties(bytes, length, &properties))
		PROMISE(properties.count == 0);
	PROMISE((size_t) properties.count <= length / 2);
	for (int i = 0; i < properties.count; i++)
	{
		const CdrAmqp10Property *property = &properties.properties[i];
		const char				*texts[] = {property->name, property->value};

		PROMISE(property->name != NULL);
		for (int k = 0; k < 2; k++)
			PROMISE(texts[k] == NULL ||
					pg_encoding_verifymbstr(PG_UTF8, texts[k],
											(int) strlen(texts[k])) ==
						(int) strlen(texts[k]));
	}
}

int
harness_amqp10_values(void)
{
	static const char section[] =
		"\0\x53\x74\xc1\x90\x1c"
		"\xa1\x01s\xa1\x03one"
		"\xa1\x01y\xa3\x03two"
		"\xa1\x01"
		"b\x41"
		"\xa1\x01"
		"f\x56\0"
		"\xa1\x01i\x54\xff"
		"\xa1\x01l\x81\x80\0\0\0\0\0\0\0"
		"\xa1\x01u\x80\xff\xff\xff\xff\xff\xff\xff\xff"
		"\xa1\x01z\x44"
		"\xa1\x01t\x83\0\0\x01\x9c\xad\xfd\x89\0"
		"\xa1\x01"
		"d\x82\x3f\xf8\0\0\0\0\0\0"
		"\xa1\x01"
		"c\x73\0\0\0\xe7"
		"\xa1\x01g\x98\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
		"\xa1\x01n\x40"
		"\xa1\x01x\xa0\x01\xff";
	static const char *const expected[] = {
		"one",
		"two",
		"true",
		"false",
		"-1",
		"-9223372036854775808",
		"18446744073709551615",
		"0",
		"1772445600000",
		"1.5",
		"\xc3\xa7",
		"urn:uuid:00010203-0405-0607-0809-0a0b0c0d0e0f",
		NULL,
		NULL};
	char				bytes[sizeof(section)];
	CdrAmqp10Properties properties;

	memcpy(bytes, section, sizeof(section));
	bytes[4] = (char) (sizeof(section) - 1 - 5);
	PROMISE(cdr_amqp10_application_properties(bytes, sizeof(section) - 1,
											  &properties));
	PROMISE(properties.count == lengthof(expected));
	for (int i = 0; i < properties.count; i++)
	{
		const char *value = properties.properties[i].value;

		PROMISE(strlen(properties.properties[i].name) == 1);
		PROMISE((value == NULL) == (expected[i] == NULL));
		PROMISE(value == NULL || strcmp(value, expected[i]) == 0);
		PROMISE(properties.properties[i].is_time == (i == 8));
	}
	for (size_t cut = 0; cut < sizeof(section) - 1; cut++)
	{
		PROMISE(!cdr_amqp10_application_properties(bytes, cut, &properties));
		harness_amqp10_properties(bytes + cut, sizeof(section) - 1 - cut);
	}
	return (int) lengthof(expected);
}
