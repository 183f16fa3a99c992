/*-------------------------------------------------------------------------
 *
 * content.c
 *	  What is inside of a message's body: the bytes that a form reads, when
 *	  what they were packed into is taken off.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/content.h"
#include "event/unreadable.h"

static void
content_as_it_came(const CdrMessage *message, CdrContent *content)
{
	memset(content, 0, sizeof(CdrContent));
	content->message = message;
	content->body = message->body;
	content->length = message->body_length;
	content->content_type = message->content_type;
}

const CdrReason *
cdr_content_open(const CdrMessage *message, const CdrEventOptions *options,
				 CdrContent *content)
{
	content_as_it_came(message, content);
	return cdr_said_compressed(message);
}

void
cdr_content_of_json(const CdrMessage *message, CdrContent *content)
{
	content_as_it_came(message, content);
	content->known_json = true;
}
