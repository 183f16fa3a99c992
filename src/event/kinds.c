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

#define KIND(type, kind, of_function)             \
	{                                             \
		type, sizeof(type) - 1, kind, of_function \
	}

/*
 * The types that shape a call; all others are only logged and counted.  So are
 * those that a function makes where they come from anybody else.
 */
static const struct
{
	const char	*type;
	size_t		 length;
	CdrEventKind kind;
	bool		 of_function;
} kinds[] = {
	KIND("call.started", CDR_CALL_STARTED, false),
	KIND("call.ringing", CDR_CALL_RINGING, false),
	KIND("call.answered", CDR_CALL_ANSWERED, false),
	KIND("call.ended", CDR_CALL_ENDED, false),
	KIND("user.identified.for_call", CDR_USER_IDENTIFIED, false),
	KIND(CDR_USER_CREATED_TYPE, CDR_USER_IDENTIFIED, false),
	KIND("call.recording.available", CDR_RECORDING_AVAILABLE, false),
	KIND(CDR_CORRECTED_TYPE, CDR_CALL_CORRECTED, true),
	KIND(CDR_WITHDRAWN_TYPE, CDR_CALL_CORRECTED, true),
	KIND(CDR_CLOSED_TYPE, CDR_CALL_CLOSED, true),
};

CdrEventKind
cdr_event_kind(const char *type, bool of_function)
{
	size_t length = type != NULL ? strlen(type) : 0;

	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (kinds[i].length == length &&
			memcmp(kinds[i].type, type, length) == 0 &&
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
		size_t		ours = kinds[i].length;
		const char *end = type + length - ours;

		if (kinds[i].of_function || ours > length)
			continue;
		if (strcmp(end, kinds[i].type) == 0 && (end == type || end[-1] == '.'))
			return end;
	}
	return NULL;
}
