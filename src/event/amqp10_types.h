/*-------------------------------------------------------------------------
 *
 * amqp10_types.h
 *	  The encoding of AMQP 1.0: from bounded bytes to values, one by one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_AMQP10_TYPES_H
#define CDR_AMQP10_TYPES_H

/* The codes of types (AMQP 1.0, part 1.6). */
#define CDR_AMQP10_DESCRIBED   0x00
#define CDR_AMQP10_NULL		   0x40
#define CDR_AMQP10_TRUE		   0x41
#define CDR_AMQP10_FALSE	   0x42
#define CDR_AMQP10_UINT0	   0x43
#define CDR_AMQP10_ULONG0	   0x44
#define CDR_AMQP10_UBYTE	   0x50
#define CDR_AMQP10_BYTE		   0x51
#define CDR_AMQP10_SMALL_UINT  0x52
#define CDR_AMQP10_SMALL_ULONG 0x53
#define CDR_AMQP10_SMALL_INT   0x54
#define CDR_AMQP10_SMALL_LONG  0x55
#define CDR_AMQP10_BOOLEAN	   0x56
#define CDR_AMQP10_USHORT	   0x60
#define CDR_AMQP10_SHORT	   0x61
#define CDR_AMQP10_UINT		   0x70
#define CDR_AMQP10_INT		   0x71
#define CDR_AMQP10_FLOAT	   0x72
#define CDR_AMQP10_CHAR		   0x73
#define CDR_AMQP10_ULONG	   0x80
#define CDR_AMQP10_LONG		   0x81
#define CDR_AMQP10_DOUBLE	   0x82
#define CDR_AMQP10_TIMESTAMP   0x83
#define CDR_AMQP10_UUID		   0x98
#define CDR_AMQP10_BINARY8	   0xa0
#define CDR_AMQP10_STRING8	   0xa1
#define CDR_AMQP10_SYMBOL8	   0xa3
#define CDR_AMQP10_BINARY32	   0xb0
#define CDR_AMQP10_STRING32	   0xb1
#define CDR_AMQP10_SYMBOL32	   0xb3
#define CDR_AMQP10_MAP8		   0xc1
#define CDR_AMQP10_MAP32	   0xd1

/* Bytes of somebody else's. */
typedef struct CdrAmqp10Span
{
	const unsigned char *start;
	size_t				 length;
} CdrAmqp10Span;

/* A value: its type and its bytes, without its length; of a map its count, too. */
typedef struct CdrAmqp10Value
{
	unsigned char code;
	CdrAmqp10Span bytes;
} CdrAmqp10Value;

/*
 * Takes a value that is not described off the front.  False if it is cut short, or
 * of no known type.
 */
extern bool cdr_amqp10_take(CdrAmqp10Span *left, CdrAmqp10Value *value);

/*
 * Takes the beginning of a section off the front: up to the value that it holds.
 * False if there is none with a number.
 */
extern bool cdr_amqp10_take_descriptor(CdrAmqp10Span *left, uint64 *number);

/* The unsigned number that so many bytes, 8 at most, stand for. */
extern uint64 cdr_amqp10_number(CdrAmqp10Span bytes);

/*
 * The value as text, NUL-terminated, in the current context; NULL where there is
 * none.
 */
extern char *cdr_amqp10_text(const CdrAmqp10Value *value);

#endif /* CDR_AMQP10_TYPES_H */
