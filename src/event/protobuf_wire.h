/*-------------------------------------------------------------------------
 *
 * protobuf_wire.h
 *	  The encoding of Protobuf: from bounded bytes to fields, one by one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PROTOBUF_WIRE_H
#define CDR_PROTOBUF_WIRE_H

/* Groups within each other that are stepped over. */
#define CDR_PROTO_GROUPS_MAX 100

typedef enum CdrProtoType
{
	CDR_PROTO_VARINT = 0,
	CDR_PROTO_I64 = 1,
	CDR_PROTO_LEN = 2,
	CDR_PROTO_GROUP = 3,
	CDR_PROTO_GROUP_END = 4,
	CDR_PROTO_I32 = 5
} CdrProtoType;

/* A stretch of bytes, of whoever owns the body. */
typedef struct CdrProtoSpan
{
	const unsigned char *start;
	size_t				 length;
} CdrProtoSpan;

typedef struct CdrProtoField
{
	uint32		 number; /* 1 to 536870911 */
	CdrProtoType type;	 /* never CDR_PROTO_GROUP_END */
	uint64		 value;	 /* of a varint, an I64, an I32; else 0 */
	CdrProtoSpan bytes;	 /* of a LEN; of a group, the fields in it */
} CdrProtoField;

/* Where the reading of a message stands. */
typedef struct CdrProtoCursor
{
	const unsigned char *at;
	const unsigned char *end;
	const char			*problem;  /* why it went no further; NULL: none */
	bool				 too_deep; /* the problem is the depth of groups */
} CdrProtoCursor;

static inline CdrProtoCursor
cdr_proto_cursor(CdrProtoSpan message)
{
	CdrProtoCursor cursor = {.at = message.start, .end = message.start};

	/* what is empty may be nowhere, too */
	if (message.length > 0)
		cursor.end += message.length;
	return cursor;
}

/*
 * Steps over one field.  Returns false at the end of the message, or with
 * cursor->problem set at what is no Protobuf; *field is of no use then.  A
 * group counts as one field.  Reads each byte once, allocates nothing, does
 * not recurse.
 */
extern bool cdr_proto_next(CdrProtoCursor *cursor, CdrProtoField *field);

#endif /* CDR_PROTOBUF_WIRE_H */
