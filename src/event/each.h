/*-------------------------------------------------------------------------
 *
 * each.h
 *	  Messages that hold an array of events, taken apart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EACH_H
#define CDR_EACH_H

#include "base/message.h"
#include "base/reason.h"
#include "event/reading.h"

/* Elements of an array, at most; of a message with more, none is read. */
#define CDR_EACH_MAX 1000

/* What all of them may take where they are stored, with their properties. */
#define CDR_EACH_BYTES_MAX (16 * 1024 * 1024)

/* What came of a message. */
typedef struct CdrEach
{
	int			count; /* of elements, as messages; 0: it is to be read as it
						   * is, unless it is refused */
	CdrMessage *messages; /* in the current context, with what their bodies are
						   * in, if that was packed; all else is the message's */
	size_t		size;	  /* bytes of these */

	/* why neither it nor any element is an event; NULL: it is not so */
	const CdrReason *refused;
} CdrEach;

/*
 * May a mapping want the message taken apart?  Costs next to nothing, where no
 * mapping reads arrays.  One that is used alone (options->mappings->by) is not asked
 * where the message came from.
 */
extern bool
cdr_each_asked(const CdrMessage *message, const CdrEventOptions *options);

/*
 * Takes a message apart, of which cdr_each_asked() says that this may be.  known_json:
 * its body is a value of SQL's type json.  Returns false if it is to be read as it is.
 */
extern bool
cdr_each_split(const CdrMessage *message, const CdrEventOptions *options,
			   bool known_json, CdrEach *each);

#endif /* CDR_EACH_H */
