/*-------------------------------------------------------------------------
 *
 * amqp10_types.c
 *	  The encoding of AMQP 1.0: from bounded bytes to values, one by one.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"

#include "event/amqp10_types.h"

uint64
cdr_amqp10_number(CdrAmqp10Span bytes)
{
	uint64 number = 0;

	for (size_t i = 0; i < bytes.length; i++)
		number = number << 8 | bytes.start[i];
	return number;
}

/* Takes bytes off the front; false: there are fewer. */
static bool
take_span(CdrAmqp10Span *left, size_t length, CdrAmqp10Span *bytes)
{
	if (length > left->length)
		return false;
	*bytes = (CdrAmqp10Span){left->start, length};
	left->start += length;
	left->length -= length;
	return true;
}

/*
 * The first half of a code says how long a value is: so many bytes, or as many as
 * the length before it says, which has one byte or four.
 */
bool
cdr_amqp10_take(CdrAmqp10Span *left, CdrAmqp10Value *value)
{
	static const struct
	{
		unsigned char bytes;
		unsigned char length_bytes;
	} sizes[16] = {
		[0x4] = {0, 0}, [0x5] = {1, 0},	 [0x6] = {2, 0}, [0x7] = {4, 0},
		[0x8] = {8, 0}, [0x9] = {16, 0}, [0xa] = {0, 1}, [0xb] = {0, 4},
		[0xc] = {0, 1}, [0xd] = {0, 4},	 [0xe] = {0, 1}, [0xf] = {0, 4}};
	CdrAmqp10Span code;
	CdrAmqp10Span length;
	size_t		  bytes;
	int			  group;

	if (!take_span(left, 1, &code))
		return false;
	value->code = code.start[0];
	group = value->code >> 4;
	if (group < 0x4 || !take_span(left, sizes[group].length_bytes, &length))
		return false;
	bytes = sizes[group].length_bytes == 0 ? sizes[group].bytes
										   : cdr_amqp10_number(length);
	return take_span(left, bytes, &value->bytes);
}

bool
cdr_amqp10_take_descriptor(CdrAmqp10Span *left, uint64 *number)
{
	CdrAmqp10Value value;

	if (left->length == 0 || left->start[0] != CDR_AMQP10_DESCRIBED)
		return false;
	left->start++;
	left->length--;
	if (!cdr_amqp10_take(left, &value) ||
		(value.code != CDR_AMQP10_SMALL_ULONG &&
		 value.code != CDR_AMQP10_ULONG))
		return false;
	*number = cdr_amqp10_number(value.bytes);
	return true;
}

/* ------------------------------------------------------------------------
 * Values as text
 * ------------------------------------------------------------------------
 */

/* NULL: it is no UTF-8, or holds a NUL. */
static char *
span_text(CdrAmqp10Span bytes)
{
	int length = (int) bytes.length;

	if (pg_encoding_verifymbstr(PG_UTF8, (const char *) bytes.start, length) !=
		length)
		return NULL;
	return pnstrdup((const char *) bytes.start, length);
}

/* A signed number of as many bytes. */
static int64
signed_number(CdrAmqp10Span bytes)
{
	uint64 number = cdr_amqp10_number(bytes);
	uint64 sign;

	if (bytes.length == 0)
		return 0;
	sign = UINT64CONST(1) << (8 * bytes.length - 1);
	return (int64) ((number ^ sign) - sign);
}

static char *
real_text(const CdrAmqp10Value *value)
{
	char  *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);
	uint64 number = cdr_amqp10_number(value->bytes);
	uint32 half = (uint32) number;
	float4 single;
	float8 exact;

	if (value->code == CDR_AMQP10_FLOAT)
	{
		memcpy(&single, &half, sizeof(single));
		(void) float_to_shortest_decimal_buf(single, text);
	}
	else
	{
		memcpy(&exact, &number, sizeof(exact));
		(void) double_to_shortest_decimal_buf(exact, text);
	}
	return text;
}

static char *
character_text(uint64 number)
{
	unsigned char bytes[MAX_MULTIBYTE_CHAR_LEN + 1] = {0};

	if (number == 0 || number > 0x10FFFF)
		return NULL;
	unicode_to_utf8((pg_wchar) number, bytes);
	return span_text((CdrAmqp10Span){
		bytes, (size_t) pg_encoding_mblen(PG_UTF8, (const char *) bytes)});
}

static char *
uuid_text(CdrAmqp10Span bytes)
{
	const unsigned char *b = bytes.start;

	return psprintf("urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
					"%02x%02x%02x%02x%02x%02x",
					b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
					b[10], b[11], b[12], b[13], b[14], b[15]);
}

char *
cdr_amqp10_text(const CdrAmqp10Value *value)
{
	switch (value->code)
	{
		case CDR_AMQP10_TRUE:
			return pstrdup("true");
		case CDR_AMQP10_FALSE:
			return pstrdup("false");
		case CDR_AMQP10_BOOLEAN:
			return pstrdup(value->bytes.start[0] != 0 ? "true" : "false");
		case CDR_AMQP10_UINT0:
		case CDR_AMQP10_ULONG0:
		case CDR_AMQP10_UBYTE:
		case CDR_AMQP10_SMALL_UINT:
		case CDR_AMQP10_SMALL_ULONG:
		case CDR_AMQP10_USHORT:
		case CDR_AMQP10_UINT:
		case CDR_AMQP10_ULONG:
			return psprintf(UINT64_FORMAT, cdr_amqp10_number(value->bytes));
		case CDR_AMQP10_BYTE:
		case CDR_AMQP10_SMALL_INT:
		case CDR_AMQP10_SMALL_LONG:
		case CDR_AMQP10_SHORT:
		case CDR_AMQP10_INT:
		case CDR_AMQP10_LONG:
		case CDR_AMQP10_TIMESTAMP:
			return psprintf(INT64_FORMAT, signed_number(value->bytes));
		case CDR_AMQP10_FLOAT:
		case CDR_AMQP10_DOUBLE:
			return real_text(value);
		case CDR_AMQP10_CHAR:
			return character_text(cdr_amqp10_number(value->bytes));
		case CDR_AMQP10_UUID:
			return uuid_text(value->bytes);
		case CDR_AMQP10_BINARY8:
		case CDR_AMQP10_BINARY32:
		case CDR_AMQP10_STRING8:
		case CDR_AMQP10_STRING32:
		case CDR_AMQP10_SYMBOL8:
		case CDR_AMQP10_SYMBOL32:
			return span_text(value->bytes);
		default:
			return NULL;
	}
}
