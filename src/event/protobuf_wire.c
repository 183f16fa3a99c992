/*-------------------------------------------------------------------------
 *
 * protobuf_wire.c
 *	  The encoding of Protobuf: from bounded bytes to fields, one by one.
 *
 * Everything here stays between cursor->at and cursor->end: a length is
 * compared with what is left before a pointer is made of it.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/protobuf_wire.h"

#define FIELD_NUMBER_MAX 536870911

static bool
proto_fail(CdrProtoCursor *cursor, const char *problem)
{
	cursor->problem = problem;
	return false;
}

/* Up to ten bytes; what the tenth holds beyond 64 bits is dropped. */
static bool
read_varint(CdrProtoCursor *cursor, uint64 *value)
{
	uint64 result = 0;

	for (int shift = 0; shift <= 63; shift += 7)
	{
		unsigned char byte;

		if (cursor->at == cursor->end)
			return proto_fail(cursor, "it ends within a number");
		byte = *cursor->at++;
		result |= (uint64) (byte & 0x7F) << shift;
		if (byte < 0x80)
		{
			*value = result;
			return true;
		}
	}
	return proto_fail(cursor, "a number is longer than ten bytes");
}

/* Little-endian, size bytes. */
static bool
read_fixed(CdrProtoCursor *cursor, int size, uint64 *value)
{
	*value = 0;
	if (cursor->end - cursor->at < size)
		return proto_fail(cursor, "it ends within a number");
	for (int i = size - 1; i >= 0; i--)
		*value = *value << 8 | cursor->at[i];
	cursor->at += size;
	return true;
}

static bool
read_bytes(CdrProtoCursor *cursor, CdrProtoSpan *bytes)
{
	uint64 length;

	if (!read_varint(cursor, &length))
		return false;
	if (length > (uint64) (cursor->end - cursor->at))
		return proto_fail(cursor, "a field is longer than what is left");
	bytes->start = cursor->at;
	bytes->length = (size_t) length;
	cursor->at += length;
	return true;
}

/* Number and type of what comes next. */
static bool
read_tag(CdrProtoCursor *cursor, CdrProtoField *field)
{
	uint64 tag;

	if (!read_varint(cursor, &tag))
		return false;
	if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
		return proto_fail(cursor, "a field number is out of range");
	field->number = (uint32) (tag >> 3);
	field->type = (CdrProtoType) (tag & 7);
	return true;
}

/* The value of a field that is no group. */
static bool
read_value(CdrProtoCursor *cursor, CdrProtoField *field)
{
	switch (field->type)
	{
		case CDR_PROTO_VARINT:
			return read_varint(cursor, &field->value);
		case CDR_PROTO_I64:
			return read_fixed(cursor, 8, &field->value);
		case CDR_PROTO_LEN:
			return read_bytes(cursor, &field->bytes);
		case CDR_PROTO_I32:
			return read_fixed(cursor, 4, &field->value);
		case CDR_PROTO_GROUP:
		case CDR_PROTO_GROUP_END:
			break;
	}
	return proto_fail(cursor, "a field is of an unknown wire type");
}

/* Steps over a group, whose start has been read, with all that is in it. */
static bool
read_group(CdrProtoCursor *cursor, CdrProtoField *group)
{
	uint32		  open[CDR_PROTO_GROUPS_MAX];
	int			  depth = 0;
	CdrProtoField inner;

	group->bytes.start = cursor->at;
	open[depth++] = group->number;
	while (depth > 0)
	{
		if (cursor->at == cursor->end)
			return proto_fail(cursor, "a group does not end");
		group->bytes.length = (size_t) (cursor->at - group->bytes.start);
		if (!read_tag(cursor, &inner))
			return false;
		if (inner.type == CDR_PROTO_GROUP_END)
		{
			if (open[--depth] != inner.number)
				return proto_fail(cursor, "a group ends that did not begin");
		}
		else if (inner.type != CDR_PROTO_GROUP)
		{
			if (!read_value(cursor, &inner))
				return false;
		}
		else if (depth == CDR_PROTO_GROUPS_MAX)
		{
			cursor->too_deep = true;
			return proto_fail(cursor, "groups nest too deep");
		}
		else
			open[depth++] = inner.number;
	}
	return true;
}

bool
cdr_proto_next(CdrProtoCursor *cursor, CdrProtoField *field)
{
	if (cursor->at == cursor->end)
		return false;
	field->value = 0;
	field->bytes = (CdrProtoSpan){NULL, 0};
	if (!read_tag(cursor, field))
		return false;
	if (field->type == CDR_PROTO_GROUP)
		return read_group(cursor, field);
	if (field->type == CDR_PROTO_GROUP_END)
		return proto_fail(cursor, "a group ends that did not begin");
	return read_value(cursor, field);
}
