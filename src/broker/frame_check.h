/*-------------------------------------------------------------------------
 *
 * frame_check.h
 *	  Looks at a raw AMQP frame before librabbitmq decodes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FRAME_CHECK_H
#define CDR_FRAME_CHECK_H

/* A frame has at least so many bytes, whatever it carries. */
#define CDR_FRAME_OVERHEAD 8

/* Bytes that a peer must let us send and must not exceed before it is tuned
 * (AMQP 0-9-1, frame-min-size). */
#define CDR_FRAME_MAX_LEAST 4096

typedef enum CdrFrameVerdict
{
	CDR_FRAME_WHOLE, /* the decoder may have it */
	CDR_FRAME_PART,	 /* more bytes are needed */
	CDR_FRAME_BAD	 /* nothing that follows can be trusted */
} CdrFrameVerdict;

typedef struct CdrFrameCheck
{
	size_t length;	  /* bytes that a whole frame took on the wire */
	size_t decodable; /* bytes of it, from its start, for the decoder */
	char   error[80]; /* of a bad one: what it is, after "broker sent " */
} CdrFrameCheck;

/*
 * Judges the frame that begins at bytes, of which length bytes have come.
 * frame_max is the longest that was agreed on, in bytes.
 *
 * Headers that a publisher made, but that the decoder would choke on, are cut
 * out of their frame, in place: the message goes on without them.
 */
extern CdrFrameVerdict cdr_frame_check(uint8 *bytes, size_t length,
									   size_t frame_max, CdrFrameCheck *check);

#endif /* CDR_FRAME_CHECK_H */
