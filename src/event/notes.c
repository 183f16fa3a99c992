/*-------------------------------------------------------------------------
 *
 * notes.c
 *	  What the readers of an event note down while they read it.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/notes.h"

static void
take_mapping_note(void *state, const CdrMappingNote *note)
{
	CdrNotes *notes = state;

	if (notes->nmapped == notes->mapped_room)
	{
		notes->mapped_room *= 2;
		notes->mapped = repalloc(notes->mapped,
								 notes->mapped_room * sizeof(CdrMappingNote));
	}
	notes->mapped[notes->nmapped++] = *note;
}

void
cdr_notes_init(CdrNotes *notes)
{
	memset(notes, 0, sizeof(CdrNotes));
	notes->place = "";
	notes->places_room = 32;
	notes->places = palloc(notes->places_room * sizeof(char *));
	notes->mapped_room = 32;
	notes->mapped = palloc(notes->mapped_room * sizeof(CdrMappingNote));
	notes->taker.take = take_mapping_note;
	notes->taker.state = notes;
}

void
cdr_notes_forget(CdrNotes *notes)
{
	if (notes == NULL)
		return;
	memset(notes->fields, 0, sizeof(notes->fields));
	memset(&notes->text, 0, sizeof(notes->text));
	notes->layout = NULL;
}

void
cdr_notes_forget_mappings(CdrNotes *notes)
{
	if (notes != NULL)
		notes->nmapped = 0;
}

void
cdr_notes_clear_fields(CdrFields *fields)
{
	*fields = (CdrFields){.time = CDR_NO_TIME, .notes = fields->notes};
	cdr_notes_forget(fields->notes);
}

/* A place of what is being read, as one of the body. */
static const char *
place_in_body(const CdrNotes *notes, const char *place)
{
	return notes->place[0] == '\0' ? place
								   : psprintf("%s%s", notes->place, place);
}

void
cdr_notes_field(CdrNotes *notes, CdrField field, const char *place,
				const char *said, const char *note)
{
	if (notes != NULL)
		notes->fields[field] = (CdrSource){
			.place = place_in_body(notes, place), .said = said, .note = note};
}

void
cdr_notes_elsewhere(CdrNotes *notes, CdrField field, const char *from,
					const char *said, const char *note)
{
	if (notes != NULL)
		notes->fields[field] =
			(CdrSource){.elsewhere = from, .said = said, .note = note};
}

void
cdr_notes_read(CdrNotes *notes, const char *place)
{
	if (notes == NULL)
		return;
	if (notes->nplaces == notes->places_room)
	{
		notes->places_room *= 2;
		notes->places =
			repalloc(notes->places, notes->places_room * sizeof(char *));
	}
	notes->places[notes->nplaces++] = place_in_body(notes, place);
}

void
cdr_notes_packing(CdrNotes *notes, const char *packing)
{
	if (notes != NULL && notes->npackings < CDR_NOTES_PACKINGS)
		notes->packings[notes->npackings++] = packing;
}

void
cdr_notes_try(CdrNotes *notes, CdrFormName form, const char *start,
			  size_t length, const char *type)
{
	if (notes == NULL)
		return;
	cdr_notes_forget(notes);
	if (form == CDR_FORM_JSON)
		notes->tried_json = true;
	else
		notes->tried_protobuf = true;
	notes->text = (CdrReadText){form, start, length, notes->place, type};
}
