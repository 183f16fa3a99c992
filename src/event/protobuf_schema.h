/*-------------------------------------------------------------------------
 *
 * protobuf_schema.h
 *	  The messages of the wire: numbers, names and kinds of all known fields.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PROTOBUF_SCHEMA_H
#define CDR_PROTOBUF_SCHEMA_H

#include "event/protobuf_wire.h"

typedef enum CdrProtoKind
{
	CDR_PROTO_STRING,
	CDR_PROTO_STRINGS, /* repeated */
	CDR_PROTO_JSON,	   /* a string that holds a JSON object */
	CDR_PROTO_INT32,
	CDR_PROTO_UINT32,
	CDR_PROTO_BOOL,
	CDR_PROTO_FLOAT,
	CDR_PROTO_FLOATS, /* repeated, packed */
	CDR_PROTO_TIME,	  /* google.protobuf.Timestamp */
	CDR_PROTO_MESSAGE,
	CDR_PROTO_MESSAGES, /* repeated */
	CDR_PROTO_MAP,		/* of strings to strings */
	CDR_PROTO_MEDIA		/* a message; until contracts 1.8, a map */
} CdrProtoKind;

/* A known field of a message. */
typedef struct CdrProtoMember
{
	uint32						 number;
	const char					*name; /* NULL: behind the last one */
	CdrProtoKind				 kind;
	const struct CdrProtoMember *message; /* of MESSAGE, MESSAGES, MEDIA */
} CdrProtoMember;

/*
 * The fields of a message, as cdr_protobuf_layout() names it; none for NULL.
 */
extern const CdrProtoMember *cdr_proto_members(const char *layout);

/* The one among them that a field is, by number and wire type; or NULL. */
extern const CdrProtoMember *
cdr_proto_member(const CdrProtoMember *members, const CdrProtoField *field);

#endif /* CDR_PROTOBUF_SCHEMA_H */
