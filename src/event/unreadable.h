/*-------------------------------------------------------------------------
 *
 * unreadable.h
 *	  What a body is instead, which no form can read: compressed, or text that
 *	  is not UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_UNREADABLE_H
#define CDR_UNREADABLE_H

#include "event/fields.h"

/* Do the properties say that the body is compressed?  Then that is why. */
extern const CdrReason *cdr_said_compressed(const CdrMessage *message);

/*
 * A better reason than the one that a form gave, if properties or bytes tell
 * any; else the same.
 */
extern const CdrReason *
cdr_why_unreadable(const CdrMessage *message, const CdrReason *reason);

#endif /* CDR_UNREADABLE_H */
