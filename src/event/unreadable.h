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

#include "event/content.h"
#include "event/fields.h"
#include "event/labels.h"

/*
 * A better reason than the one that a form gave, if properties or bytes tell
 * any; else the same.
 */
extern const CdrReason *
cdr_why_unreadable(const CdrContent *content, const CdrReason *reason);

#endif /* CDR_UNREADABLE_H */
