/*-------------------------------------------------------------------------
 *
 * form.h
 *	  Which form of the wire a message has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FORM_H
#define CDR_FORM_H

#include "event/content.h"
#include "event/fields.h"

/*
 * Reads a content, in the form that properties and its first bytes tell.
 * Returns NULL with *fields filled in, or why it is no event.
 */
extern const CdrReason *
cdr_form_read(const CdrContent *content, const CdrEventOptions *options,
			  CdrFields *fields);

#endif /* CDR_FORM_H */
