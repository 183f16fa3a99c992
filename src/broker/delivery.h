/*-------------------------------------------------------------------------
 *
 * delivery.h
 *	  From AMQP frames to messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_DELIVERY_H
#define CDR_DELIVERY_H

#include <openssl/evp.h>

#include "base/compat.h"
#include "lib/stringinfo.h"
#include "base/message.h"

/* Of a body above this, only the start is kept: it is a dead letter. */
#define CDR_BODY_MAX   (16 * 1024 * 1024)
#define CDR_BODY_START (64 * 1024)

/* A message of which not all frames have come. */
typedef struct CdrAssembly
{
	enum
	{
		CDR_EXPECT_METHOD,
		CDR_EXPECT_HEADER,
		CDR_EXPECT_BODY
	} state;
	uint64		   tag;
	bool		   redelivered;
	int64		   delivery_count;
	uint64		   body_size; /* announced */
	uint64		   body_seen; /* so far */
	StringInfoData body;

	/* the AMQP properties, as they came; and where in these the message-id is,
	 * negative: absent */
	StringInfoData properties;
	int			   message_id;
	size_t		   message_id_length;

	/* what else is known of it, NUL-terminated one after the other, and where
	 * in these each begins; negative: absent */
	StringInfoData texts;
	int			   exchange;
	int			   routing_key;
	int			   content_type;
	int			   content_encoding;
	int			   type;
	TimestampTz	   property_time;
	EVP_MD_CTX	  *identity; /* of a giant, else NULL */
} CdrAssembly;

typedef enum CdrAssembled
{
	CDR_COMPLETE,
	CDR_INCOMPLETE,
	CDR_MALFORMED /* frames that cannot follow each other */
} CdrAssembled;

/* Starts with nothing; what it keeps is in the current memory context. */
extern void cdr_assembly_init(CdrAssembly *assembly);

/* Forgets a message that will never be complete. */
extern void cdr_assembly_reset(CdrAssembly *assembly);

/*
 * Takes one frame: basic.deliver, its header, or a part of its body.  A
 * message that is complete with it is left in *message, allocated in context,
 * with its delivery tag.
 */
extern CdrAssembled
cdr_assembly_add(CdrAssembly *assembly, const amqp_frame_t *frame,
				 MemoryContext context, uint64 *tag, CdrMessage *message);

#endif /* CDR_DELIVERY_H */
