/*-------------------------------------------------------------------------
 *
 * example.h
 *	  An example of a mapping: a message, and what it says, field by field.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EXAMPLE_H
#define CDR_EXAMPLE_H

#include "event/event.h"
#include "event/json_members.h"

/* One thing that an event says; value is text, NULL: it says nothing. */
typedef struct CdrExampleField
{
	const char *name;	/* "call_id"; "started"; "started.caller_number" */
	const char *value;	/* of "started": "true" */
	bool		of_set; /* it is a part of what is set: not there without it */
} CdrExampleField;

/* All fields that there are, in their order, in the current context; *count of
 * them. */
extern CdrExampleField *cdr_example_fields(const CdrEvent *event, int *count);

/* The fields as a JSON object: what is to come of the message. */
extern char *cdr_example_expected(const CdrEvent *event);

/*
 * Does a member of such an object say what a field has?  A time may be spelled in
 * any way.
 */
extern bool
cdr_example_agrees(const CdrExampleField *field, const CdrJsonMember *member);

/* The properties of a message as one JSON object, and back; the body is the
 * caller's.  ERROR (22023) if the text is no such object. */
extern char *cdr_example_properties(const CdrMessage *message);
extern CdrMessage *
cdr_example_message(const char *body, size_t length, const char *properties);

/* Reads the message by the mappings that are in force; false: it is no event. */
extern bool cdr_example_read(const CdrMessage *message, CdrEvent *event);

#endif /* CDR_EXAMPLE_H */
