/*-------------------------------------------------------------------------
 *
 * corrections.c
 *	  What people have said of a call: for each column the latest correction.
 *
 * A correction stands above all registers, and is one itself: of each column the
 * latest counts, by when it was made and then by its id, and to give the column
 * back to the events is one of the things that it can say.  To take the latest
 * of two is associative, commutative and idempotent.
 *
 * Few calls have any.  So they lie beside the registers, and not among them.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/corrections.h"

static bool
is_later(const CdrCorrection *a, const CdrCorrection *b)
{
	if (a->said.kind == CDR_SAID_NOTHING || b->said.kind == CDR_SAID_NOTHING)
		return b->said.kind == CDR_SAID_NOTHING &&
			   a->said.kind != CDR_SAID_NOTHING;
	if (a->time != b->time)
		return a->time > b->time;
	return memcmp(a->id.data, b->id.data, UUID_LEN) > 0;
}

const CdrCorrections *
cdr_corrections_of(const CdrEvent *event)
{
	CdrCorrections *corrections;

	if (event->corrected == NULL)
		return NULL;
	corrections = palloc0(sizeof(CdrCorrections));
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
	{
		if (event->corrected[i].kind == CDR_SAID_NOTHING)
			continue;
		corrections->columns[i].said = event->corrected[i];
		corrections->columns[i].time = event->time;
		corrections->columns[i].id = event->id;
	}
	return corrections;
}

const CdrCorrections *
cdr_corrections_join(const CdrCorrections *a, const CdrCorrections *b)
{
	CdrCorrections *joined;

	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	joined = palloc(sizeof(CdrCorrections));
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
		joined->columns[i] = is_later(&b->columns[i], &a->columns[i])
								 ? b->columns[i]
								 : a->columns[i];
	return joined;
}

const CdrCorrections *
cdr_corrections_copy(const CdrCorrections *corrections)
{
	CdrCorrections *copy;

	if (corrections == NULL)
		return NULL;
	copy = palloc(sizeof(CdrCorrections));
	*copy = *corrections;
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
	{
		CdrSaid *said = &copy->columns[i].said;

		if (said->text != NULL)
			said->text = pstrdup(said->text);
	}
	return copy;
}

const CdrSaid *
cdr_corrections_said(const CdrCorrections *corrections, CdrCorrectable column)
{
	const CdrSaid *said;

	if (corrections == NULL)
		return NULL;
	said = &corrections->columns[column].said;
	return said->kind == CDR_SAID_NONE || said->kind == CDR_SAID_VALUE ? said
																	   : NULL;
}
