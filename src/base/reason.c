/*-------------------------------------------------------------------------
 *
 * reason.c
 *	  Why something could not be done.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/reason.h"

bool
cdr_fail(CdrReasonBuffer *buffer, int sqlerrcode, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(buffer->message, sizeof(buffer->message), format, args);
	va_end(args);
	buffer->reason =
		(CdrReason){.sqlerrcode = sqlerrcode, .message = buffer->message};
	return false;
}

const char *
cdr_sqlstate_text(int sqlerrcode)
{
	static char text[6];

	/* six bits a character, as MAKE_SQLSTATE() packs them */
	for (int i = 0; i < 5; i++)
		text[i] = (char) (((sqlerrcode >> (6 * i)) & 0x3F) + '0');
	return text;
}

#ifndef FRONTEND

void
cdr_fail_with_error(CdrReasonBuffer *buffer)
{
	ErrorData *error = CopyErrorData();

	(void) cdr_fail(buffer, error->sqlerrcode, "%s",
					error->message ? error->message : "");
	if (error->hint != NULL)
	{
		strlcpy(buffer->hint, error->hint, sizeof(buffer->hint));
		buffer->reason.hint = buffer->hint;
	}
	FreeErrorData(error);
}

void
cdr_throw(const CdrReason *reason)
{
	ereport(ERROR, (errcode(reason->sqlerrcode), errmsg("%s", reason->message),
					reason->detail ? errdetail("%s", reason->detail) : 0,
					reason->hint ? errhint("%s", reason->hint) : 0));
}

#endif
