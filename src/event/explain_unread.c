/*-------------------------------------------------------------------------
 *
 * explain_unread.c
 *	  What nobody read of a message, as it is explained.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/explain_unread.h"
#include "event/mapping_parts.h"
#include "event/protobuf_json.h"
#include "event/unread.h"

static void
take_unread(void *state, const char *place, const char *excerpt)
{
	CdrExplaining *explaining = state;

	if (explaining->unread++ < CDR_EXPLAIN_UNREAD_MAX)
		cdr_tell(explaining, "not read", NULL, excerpt,
				 cdr_written_place(place), NULL);
}

/* Looks through a text; of Protobuf, through what people are shown of it. */
static void
tell_unread(CdrExplaining *explaining, const CdrReadText *text)
{
	CdrNotes	  *notes = explaining->notes;
	StringInfoData shown;

	if (text->form == CDR_FORM_JSON)
		cdr_unread(text->start, text->length, text->place, notes->places,
				   notes->nplaces, take_unread, explaining);
	if (text->form != CDR_FORM_PROTOBUF)
		return;
	initStringInfo(&shown);
	if (cdr_protobuf_json(text->start, text->length, text->type, &shown) ==
		NULL)
		cdr_unread(shown.data, shown.len, text->place, notes->places,
				   notes->nplaces, take_unread, explaining);
	pfree(shown.data);
}

static bool
is_inside(const CdrReadText *inner, const CdrReadText *outer)
{
	return inner->start >= outer->start &&
		   inner->start + inner->length <= outer->start + outer->length;
}

void
cdr_explain_unread(CdrExplaining *explaining)
{
	CdrNotes *notes = explaining->notes;

	if (notes->envelope.form != CDR_FORM_NONE)
		tell_unread(explaining, &notes->envelope);
	if (notes->envelope.form == CDR_FORM_NONE ||
		!is_inside(&notes->text, &notes->envelope))
		tell_unread(explaining, &notes->text);
	if (explaining->unread > CDR_EXPLAIN_UNREAD_MAX)
		cdr_tell(explaining, "not read", NULL, NULL, NULL,
				 psprintf("and " INT64_FORMAT " more",
						  explaining->unread - CDR_EXPLAIN_UNREAD_MAX));
}

void
cdr_explain_mapped_places(CdrNotes *notes)
{
	CdrMappings *set = notes->use.set;

	if (set == NULL || set->paths.stamp == notes->stamp)
		return;
	for (int i = CDR_JSON_ROOT + 1; i < set->paths.count; i++)
	{
		if (cdr_json_paths_asked(&set->paths, i))
			cdr_notes_read(notes, cdr_json_paths_pointer(&set->paths, i));
	}
}
