/*-------------------------------------------------------------------------
 *
 * notes.h
 *	  What the readers of an event note down while they read it: where each
 *	  field stood, and what was the matter with it.
 *
 * For cdr_explain_event().  The readers take notes themselves, so what is told
 * is what was done.  A worker has no notes (NULL), and pays a comparison for
 * each field.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_NOTES_H
#define CDR_NOTES_H

#include "event/mapping.h"

/* The fields of CdrFields that a form fills in. */
typedef enum CdrField
{
	CDR_FIELD_TYPE,
	CDR_FIELD_TRACE_ID,
	CDR_FIELD_CALL_ID,
	CDR_FIELD_TENANT_ID,
	CDR_FIELD_TIME,
	CDR_FIELD_FROM,
	CDR_FIELD_TO,
	CDR_FIELD_DIRECTION,
	CDR_FIELD_TRUNK,
	CDR_FIELD_MATCHED_USER,
	CDR_FIELD_MATCHED_CONTACT,
	CDR_FIELD_USER,
	CDR_FIELD_CONTACT,
	CDR_FIELD_REASON,
	CDR_FIELD_HANGUP_SOURCE,
	CDR_FIELD_SIP_STATUS,
	CDR_FIELD_RECORDING
} CdrField;
#define CDR_NFIELDS (CDR_FIELD_RECORDING + 1)

/* Where a field comes from.  Of all that is NULL there is nothing to say. */
typedef struct CdrSource
{
	const char *place; /* in the body, as a JSON pointer; of Protobuf, into the
						* JSON that cdr_event_json() makes of it */
	const char *elsewhere; /* what else it comes from: a header, a property */
	const char *said;	   /* as it stands there; NULL: nothing that is text */
	const char *note;
} CdrSource;

typedef enum CdrFormName
{
	CDR_FORM_NONE,
	CDR_FORM_JSON,
	CDR_FORM_PROTOBUF
} CdrFormName;

/* A text that was read, to look for what nobody read in it. */
typedef struct CdrReadText
{
	CdrFormName form; /* CDR_FORM_NONE: there is no such text */
	const char *start;
	size_t		length;
	const char
		*place; /* of it in the body, as a pointer; "": it is the body */
	const char
		*type; /* of Protobuf: that of an event that does not say its own */
} CdrReadText;

/* The most kinds of packing that are told of one body. */
#define CDR_NOTES_PACKINGS 8

typedef struct CdrNotes
{
	CdrSource	fields[CDR_NFIELDS];
	const char *place; /* of what is being read, as a pointer; "": the body */

	/* what was taken off, from the outside to the inside */
	int			npackings;
	const char *packings[CDR_NOTES_PACKINGS];

	bool tried_json;
	bool tried_protobuf;
	bool is_binary;		  /* the body is the data of a CloudEvent in headers */
	const char *layout;	  /* the message of Protobuf that it was read as */
	CdrReadText envelope; /* a CloudEvent that is the body */
	CdrReadText text;	  /* what a form read, inside of that or not */

	/* places that were read beside those of the fields */
	int			 nplaces;
	int			 places_room;
	const char **places;

	/* of mappings, in their order */
	CdrMappingNotes taker; /* puts them here */
	CdrMappingUse	use;   /* what is in force, with that taker */
	uint64 stamp; /* of the set's paths, before the message was read */
	int	   nmapped;
	int	   mapped_room;
	CdrMappingNote *mapped;
} CdrNotes;

/* Of nothing yet; what they come to hold is in the context current then. */
extern void cdr_notes_init(CdrNotes *notes);

/*
 * The form in hand is read no further, or something else is read instead: what
 * was noted of fields is forgotten; and what mappings noted.  notes may be NULL,
 * here and below.
 */
extern void cdr_notes_forget(CdrNotes *notes);
extern void cdr_notes_forget_mappings(CdrNotes *notes);

/* Makes fields say nothing again; their notes stay, and forget them, too. */
extern void cdr_notes_clear_fields(CdrFields *fields);

/* A field stands at a place of what is being read, as said. */
extern void cdr_notes_field(CdrNotes *notes, CdrField field, const char *place,
							const char *said, const char *note);

/* A field comes from elsewhere. */
extern void
cdr_notes_elsewhere(CdrNotes *notes, CdrField field, const char *from,
					const char *said, const char *note);

/* Something was read that is no field of its own. */
extern void cdr_notes_read(CdrNotes *notes, const char *place);

/* The body was packed like that. */
extern void cdr_notes_packing(CdrNotes *notes, const char *packing);

/* A form is tried on what is being read. */
extern void cdr_notes_try(CdrNotes *notes, CdrFormName form, const char *start,
						  size_t length, const char *type);

#endif /* CDR_NOTES_H */
