/*-------------------------------------------------------------------------
 *
 * frame_check.h
 *	  Looks at a raw AMQP frame before librabbitmq decodes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FRAME_CHECK_H
#define CDR_FRAME_CHECK_H

#include "base/compat.h"

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
	size_t length;	  /* bytes of a whole frame */
	char   error[80]; /* of a bad one: what it is, after "broker sent " */
} CdrFrameCheck;

/*
 * Judges the frame that begins at bytes, of which length bytes have come.
 * frame_max is the longest that was agreed on, in bytes.
 */
extern CdrFrameVerdict cdr_frame_check(const uint8 *bytes, size_t length,
									   size_t frame_max, CdrFrameCheck *check);

/*
 * Makes a frame of the bytes of a whole one, which must stay as they are as
 * long as it is used.  Methods are decoded by the library, and are its memory.
 * Of a content header there is only the list of properties, raw.  Returns 0, or
 * the library's error.
 */
extern int cdr_frame_decode(amqp_connection_state_t decoder, uint8 *bytes,
							size_t length, amqp_frame_t *frame);

#endif /* CDR_FRAME_CHECK_H */
