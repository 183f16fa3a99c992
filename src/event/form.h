/*-------------------------------------------------------------------------
 *
 * form.h
 *	  Which form of the wire a message has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FORM_H
#define CDR_FORM_H

#include "event/fields.h"

/*
 * Reads the body of a message.  Returns NULL with *fields filled in, or why it
 * is no event.
 */
typedef const CdrReason *
CdrFormReader(const CdrMessage *message, CdrFields *fields);

/* In the form that its properties and its first bytes tell. */
extern CdrFormReader cdr_form_read;

/* As JSON, whatever they tell. */
extern CdrFormReader cdr_form_read_json;

#endif /* CDR_FORM_H */
