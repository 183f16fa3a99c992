/*-------------------------------------------------------------------------
 *
 * inflate.h
 *	  Bytes that were compressed with gzip or deflate, as they were before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_INFLATE_H
#define CDR_INFLATE_H

typedef enum CdrCompression
{
	CDR_GZIP,	/* RFC 1952, one member or several */
	CDR_DEFLATE /* RFC 1950, or RFC 1951 without the wrapping of that */
} CdrCompression;

/* What came of it. */
typedef struct CdrInflated
{
	char	   *bytes; /* in the current context; NULL: there is a problem */
	size_t		length;
	const char *problem;   /* a constant */
	bool		too_large; /* the problem is that it is more than the limit */
} CdrInflated;

/*
 * Takes as much memory as the result, and at most limit and some 50 kB of zlib's.
 * As gzip(1) does, it checks what there is to be checked, and ignores what
 * follows and is no other member.
 */
extern CdrInflated cdr_inflate(CdrCompression how, const char *bytes,
							   size_t length, size_t limit);

/* Do bytes begin as gzip does?  Neither JSON nor Protobuf ever does. */
static inline bool
cdr_is_gzip(const char *bytes, size_t length)
{
	return length >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

#endif /* CDR_INFLATE_H */
