/*-------------------------------------------------------------------------
 *
 * reason.h
 *	  Why something could not be done: one carrier from where it is found out
 *	  (the reader of events, the session with the broker, an error that was
 *	  caught) to where it is told (dead letter, status, log, caller).
 *
 * SQLSTATEs have the server's names (ERRCODE_...), also where the server is
 * not there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REASON_H
#define CDR_REASON_H

#ifdef FRONTEND
#define PGSIXBIT(ch) (((ch) - '0') & 0x3F)
#define MAKE_SQLSTATE(ch1, ch2, ch3, ch4, ch5)                      \
	(PGSIXBIT(ch1) + (PGSIXBIT(ch2) << 6) + (PGSIXBIT(ch3) << 12) + \
	 (PGSIXBIT(ch4) << 18) + (PGSIXBIT(ch5) << 24))
#include "utils/errcodes.h"
#endif

/* A reason; its strings belong to whoever made it. */
typedef struct CdrReason
{
	int			sqlerrcode; /* 0: there is none, nothing failed */
	const char *message;
	const char *detail;		/* NULL: none */
	const char *hint;		/* NULL: none */
	const char *constraint; /* that refused it; NULL: none */
} CdrReason;

/* Bytes of a message that is kept beyond the memory it was made in. */
#define CDR_REASON_LENGTH 1024

/*
 * A reason with room of its own for its message, and for a hint that is no
 * constant; they are cut off there.
 */
typedef struct CdrReasonBuffer
{
	CdrReason reason;
	char	  message[CDR_REASON_LENGTH];
	char	  hint[CDR_REASON_LENGTH];
} CdrReasonBuffer;

/* Leaves a reason in the buffer.  Always false, for the caller to return. */
extern bool cdr_fail(CdrReasonBuffer *buffer, int sqlerrcode,
					 const char *format, ...) pg_attribute_printf(3, 4);

/* The five characters of a SQLSTATE; valid until the next call. */
extern const char *cdr_sqlstate_text(int sqlerrcode);

#ifndef FRONTEND

/* What was caught; the strings stay the error's. */
static inline CdrReason
cdr_reason_of_error(const ErrorData *error)
{
	return (CdrReason){.sqlerrcode = error->sqlerrcode,
					   .message = error->message ? error->message : "",
					   .detail = error->detail,
					   .hint = error->hint,
					   .constraint = error->constraint_name};
}

/* Leaves the error that is being caught in the buffer, message and hint. */
extern void cdr_fail_with_error(CdrReasonBuffer *buffer);

/* Makes an ERROR of a reason. */
extern void cdr_throw(const CdrReason *reason);

#endif

#endif /* CDR_REASON_H */
