/*-------------------------------------------------------------------------
 *
 * erased.c
 *	  What is left of a call, and of what an event says of it, when those who took
 *	  part are erased.
 *
 * To erase what events say and to merge them then gives the same call as to merge
 * them and to erase it then, but where two facts are of one time and rank: of these
 * the id decides, which is another one.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/erased.h"

static const CdrFactText texts_erased[] = {CDR_FACT_CALLER, CDR_FACT_CALLEE,
										   CDR_FACT_USER, CDR_FACT_RECORDING};

static const CdrCorrectable corrections_erased[] = {
	CDR_CORRECT_CALLER, CDR_CORRECT_CALLEE, CDR_CORRECT_USER,
	CDR_CORRECT_CONTACT, CDR_CORRECT_RECORDING};

/* That somebody corrected it stays, but not to what. */
static void
erase_said(CdrSaid *said)
{
	for (int i = 0; i < (int) lengthof(corrections_erased); i++)
	{
		CdrSaid *column = &said[corrections_erased[i]];

		if (column->kind == CDR_SAID_VALUE)
			*column = (CdrSaid){.kind = CDR_SAID_NONE};
	}
}

static const CdrCorrections *
erased_corrections(const CdrCorrections *corrections, CdrRename rename,
				   const void *argument)
{
	CdrCorrections *copy = palloc(sizeof(CdrCorrections));
	CdrSaid			said[CDR_NCORRECTABLE];

	*copy = *corrections;
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
		said[i] = copy->columns[i].said;
	erase_said(said);
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
	{
		copy->columns[i].said = said[i];
		if (said[i].kind != CDR_SAID_NOTHING)
			rename(&copy->columns[i].id, argument);
	}
	return copy;
}

void
cdr_call_erase(CdrCall *call, CdrRename rename, const void *argument)
{
	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		CdrFact *fact = &call->facts[reg];

		if (fact->time == CDR_NO_TIME)
			continue;
		for (int i = 0; i < (int) lengthof(texts_erased); i++)
			fact->texts[texts_erased[i]] = NULL;
		fact->has_contact_id = false;
		fact->contact_id = 0;
		if (cdr_register_keeps[reg].id)
			rename(&fact->id, argument);
	}
	if (call->corrections != NULL)
		call->corrections =
			erased_corrections(call->corrections, rename, argument);
}

void
cdr_event_erase(CdrEvent *event)
{
	CdrEventFact *facts = palloc(Max(event->nfacts, 1) * sizeof(CdrEventFact));

	for (int i = 0; i < event->nfacts; i++)
	{
		facts[i] = event->facts[i];
		facts[i].caller_number = NULL;
		facts[i].callee_number = NULL;
		facts[i].user_id = NULL;
		facts[i].has_contact_id = false;
		facts[i].contact_id = 0;
		facts[i].recording_url = NULL;
	}
	event->facts = facts;
	if (event->corrected != NULL)
	{
		CdrSaid *said = palloc(CDR_NCORRECTABLE * sizeof(CdrSaid));

		memcpy(said, event->corrected, CDR_NCORRECTABLE * sizeof(CdrSaid));
		erase_said(said);
		event->corrected = said;
	}
}
