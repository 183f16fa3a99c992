/*-------------------------------------------------------------------------
 *
 * kinds.c
 *	  The types of events that shape a call.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/correction.h"
#include "event/kinds.h"

/*
 * The types that shape a call; all others are only logged and counted.  So are
 * those that a function makes where they come from anybody else.
 */
static const struct
{
	const char	*type;
	CdrEventKind kind;
	bool		 of_function;
} kinds[] = {
	{"call.started", CDR_CALL_STARTED, false},
	{"call.ringing", CDR_CALL_RINGING, false},
	{"call.answered", CDR_CALL_ANSWERED, false},
	{"call.ended", CDR_CALL_ENDED, false},
	{"user.identified.for_call", CDR_USER_IDENTIFIED, false},
	{CDR_USER_CREATED_TYPE, CDR_USER_IDENTIFIED, false},
	{"call.recording.available", CDR_RECORDING_AVAILABLE, false},
	{CDR_CORRECTED_TYPE, CDR_CALL_CORRECTED, true},
	{CDR_WITHDRAWN_TYPE, CDR_CALL_CORRECTED, true},
	{CDR_CLOSED_TYPE, CDR_CALL_CLOSED, true},
};

CdrEventKind
cdr_event_kind(const char *type, bool of_function)
{
	for (int i = 0; type != NULL && i < (int) lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].type, type) == 0 &&
			kinds[i].of_function == of_function)
			return kinds[i].kind;
	}
	return CDR_OTHER;
}

const char *
cdr_event_shaping_type(const char *type)
{
	size_t length = strlen(type);

	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		size_t		ours = strlen(kinds[i].type);
		const char *end = type + length - ours;

		if (kinds[i].of_function || ours > length)
			continue;
		if (strcmp(end, kinds[i].type) == 0 && (end == type || end[-1] == '.'))
			return end;
	}
	return NULL;
}
