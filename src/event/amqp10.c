/*-------------------------------------------------------------------------
 *
 * amqp10.c
 *	  What an AMQP 1.0 publisher sent, where a broker hands it on encoded.
 *
 * A body of bytes arrives as these bytes.  One that is a value (a string, as a
 * JMS TextMessage is) arrives as the section that holds it, and the property
 * type says so.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/base64.h"

#include "event/amqp10.h"
#include "event/amqp10_types.h"
#include "event/fields.h"

/* The descriptors of sections (AMQP 1.0, part 3.2). */
#define SECTION_HEADER				   0x70
#define SECTION_APPLICATION_PROPERTIES 0x74
#define SECTION_VALUE				   0x77
#define SECTION_FOOTER				   0x78

/* Where RabbitMQ 3.10 puts the application properties. */

static const CdrReason *
damaged(void)
{
	return cdr_no_event(ERRCODE_INVALID_BINARY_REPRESENTATION,
						"body is not AMQP 1.0, or cut short");
}

static const CdrReason *
no_single_value(void)
{
	return cdr_no_event(ERRCODE_FEATURE_NOT_SUPPORTED,
						"body of AMQP 1.0 is not a single string or binary");
}

static bool
is_map(const CdrAmqp10Value *value)
{
	return value->code == CDR_AMQP10_MAP8 || value->code == CDR_AMQP10_MAP32;
}

/* What may follow the value: nothing, or a footer. */
static const CdrReason *
check_rest(CdrAmqp10Span left)
{
	CdrAmqp10Value footer;
	uint64		   section;

	if (left.length == 0)
		return NULL;
	if (!cdr_amqp10_take_descriptor(&left, &section))
		return damaged();
	if (section != SECTION_FOOTER)
		return no_single_value();
	return cdr_amqp10_take(&left, &footer) && is_map(&footer) &&
				   left.length == 0
			   ? NULL
			   : damaged();
}

const CdrReason *
cdr_amqp10_value(const char *body, size_t length, const char **value,
				 size_t *value_length)
{
	CdrAmqp10Span  left = {(const unsigned char *) body, length};
	CdrAmqp10Value inside;
	uint64		   section;

	if (!cdr_amqp10_take_descriptor(&left, &section))
		return damaged();
	if (section != SECTION_VALUE)
		return section >= SECTION_HEADER && section <= SECTION_FOOTER
				   ? no_single_value()
				   : damaged();
	/* the value may be of a type of its own */
	if (left.length > 0 && left.start[0] == CDR_AMQP10_DESCRIBED)
		return no_single_value();
	if (!cdr_amqp10_take(&left, &inside))
		return damaged();
	if (inside.code != CDR_AMQP10_STRING8 &&
		inside.code != CDR_AMQP10_STRING32 &&
		inside.code != CDR_AMQP10_BINARY8 &&
		inside.code != CDR_AMQP10_BINARY32)
		return no_single_value();
	*value = (const char *) inside.bytes.start;
	*value_length = inside.bytes.length;
	return check_rest(left);
}

/* ------------------------------------------------------------------------
 * Application properties
 * ------------------------------------------------------------------------
 */

/* What is in a map: its count, and keys and values in turn. */
static bool
read_map(const CdrAmqp10Value *map, CdrAmqp10Properties *properties)
{
	size_t		  count_bytes = map->code == CDR_AMQP10_MAP8 ? 1 : 4;
	CdrAmqp10Span left = map->bytes;
	CdrAmqp10Span count = {left.start, count_bytes};

	if (left.length < count_bytes)
		return false;
	left.start += count_bytes;
	left.length -= count_bytes;
	/* each has a byte at least */
	if (cdr_amqp10_number(count) > left.length)
		return false;
	properties->properties =
		palloc((cdr_amqp10_number(count) / 2 + 1) * sizeof(CdrAmqp10Property));
	while (left.length > 0)
	{
		CdrAmqp10Property *property =
			&properties->properties[properties->count];
		CdrAmqp10Value name;
		CdrAmqp10Value value;

		if ((uint64) properties->count >= cdr_amqp10_number(count) / 2 ||
			!cdr_amqp10_take(&left, &name) || !cdr_amqp10_take(&left, &value))
			return false;
		property->name = cdr_amqp10_text(&name);
		property->value = cdr_amqp10_text(&value);
		property->is_time = value.code == CDR_AMQP10_TIMESTAMP;
		/* of a name that is no text there is no header either */
		properties->count += property->name != NULL;
	}
	return true;
}

bool
cdr_amqp10_application_properties(const char *bytes, size_t length,
								  CdrAmqp10Properties *properties)
{
	CdrAmqp10Span  left = {(const unsigned char *) bytes, length};
	CdrAmqp10Value map;
	uint64		   section;

	*properties = (CdrAmqp10Properties){0, NULL};
	if (length > 0 && bytes[0] == CDR_AMQP10_DESCRIBED &&
		(!cdr_amqp10_take_descriptor(&left, &section) ||
		 section != SECTION_APPLICATION_PROPERTIES))
		return false;
	if (cdr_amqp10_take(&left, &map) && left.length == 0 && is_map(&map) &&
		read_map(&map, properties))
		return true;
	*properties = (CdrAmqp10Properties){0, NULL};
	return false;
}

bool
cdr_amqp10_properties_among(const CdrJsonMembers *headers,
							CdrAmqp10Properties	 *properties)
{
	const CdrJsonMember *header =
		cdr_json_member(headers, CDR_AMQP10_PROPERTIES);
	CdrJsonMembers bytes_members;
	const char	  *text = NULL;
	char		  *bytes;
	int			   length;

	*properties = (CdrAmqp10Properties){0, NULL};
	/* bytes are never a text here: a section begins with a NUL, a map with C1 or D1 */
	if (header != NULL && header->kind == CDR_JSON_OBJECT &&
		cdr_json_members_read(header->start, header->end - header->start,
							  &bytes_members))
		text = cdr_json_member_text(cdr_json_member(&bytes_members, "base64"));
	if (text == NULL)
		return false;
	length = pg_b64_dec_len((int) strlen(text));
	bytes = palloc(length + 1);
	length = pg_b64_decode(text, (int) strlen(text), (void *) bytes, length);
	return length >= 0 && cdr_amqp10_application_properties(
							  bytes, (size_t) length, properties);
}
