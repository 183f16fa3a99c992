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
 * into the current context.
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
} CdrContent;

/*
 * The content of a message.  Returns NULL, or why it cannot be had; *content
 * is then as far as that went.
 */
extern const CdrReason *
cdr_content_open(const CdrMessage *message, const CdrEventOptions *options,
				 CdrContent *content);

/* The same for a body that is JSON, as a value of SQL's type json is. */
extern void
cdr_content_of_json(const CdrMessage *message, CdrContent *content);

#endif /* CDR_CONTENT_H */
