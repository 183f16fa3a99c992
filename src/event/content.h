/*-------------------------------------------------------------------------
 *
 * content.h
 *	  What is inside of a message's body: the bytes that a form reads, when
 *	  what they were packed into is taken off.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CONTENT_H
#define CDR_CONTENT_H

#include "base/message.h"
#include "base/reason.h"
#include "event/reading.h"

/*
 * Memory: body points into the message's own where nothing was taken off, else
 * into the current context, until cdr_content_close().
 */
typedef struct CdrContent
{
	const CdrMessage *message; /* that it came in: routing key, headers */
	const char		 *body;	   /* not NUL-terminated */
	size_t			  length;
	const char		 *content_type; /* of that body; NULL: nobody says */
	const char
		*type;		 /* of the envelope that it was in; NULL: it was in none */
	bool known_json; /* it is JSON, whatever others say */
	bool needs_properties; /* more of them than the content type were needed */
	char *unpacked;		   /* what body points into, if it is our own */
} CdrContent;

/*
 * The content of a message.  Returns NULL, or why it cannot be had; *content
 * is then as far as that went.  To be closed in any case.
 */
extern const CdrReason *
cdr_content_open(const CdrMessage *message, const CdrEventOptions *options,
				 CdrContent *content);

/* The same for a body that is JSON, as a value of SQL's type json is. */
extern void
cdr_content_of_json(const CdrMessage *message, CdrContent *content);

/*
 * Of a body that could not be read: is it JSON but for values that are no numbers,
 * or NUL bytes at its end?  The content is then the JSON, and known to be that.
 */
extern bool
cdr_content_mend(CdrContent *content, const CdrEventOptions *options);

/*
 * Lets go of the bytes, of which a thousand times as many may have come as there
 * were in the message.  What was read of them was copied.
 */
extern void cdr_content_close(CdrContent *content);

#endif /* CDR_CONTENT_H */
