/*-------------------------------------------------------------------------
 *
 * fact.h
 *	  What an event says of its call: facts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FACT_H
#define CDR_FACT_H

#include "base/message.h"

/* Call-IDs are "up to 255 bytes" by the contract of the wire. */
#define CDR_CALL_ID_MAX 255

typedef enum CdrEventKind
{
	CDR_OTHER = 0,
	CDR_CALL_STARTED,
	CDR_CALL_RINGING,
	CDR_CALL_ANSWERED,
	CDR_CALL_ENDED,
	CDR_USER_IDENTIFIED,
	CDR_RECORDING_AVAILABLE,
	CDR_CALL_CORRECTED,
	CDR_CALL_CLOSED
} CdrEventKind;

/* A user who was made when the call came; else as one who was identified. */
#define CDR_USER_CREATED_TYPE "user.created.for_call"

/* How much a fact's time is worth; in a register, the lowest rank wins. */
typedef enum CdrRank
{
	CDR_RANK_LIVE,	 /* told as it happened */
	CDR_RANK_RECORD, /* told afterwards, with other facts of the call */
	CDR_RANK_GUESS	 /* a time of receipt: the event has no time of its own;
					  * when a call ended that was closed */
} CdrRank;

/*
 * One of the things that an event says of its call.  An event of the platform
 * says one, a record at the end of a call says several, each with its own time.
 */
typedef struct CdrEventFact
{
	CdrEventKind kind; /* what happened; never CDR_OTHER */
	CdrRank		 rank;
	TimestampTz	 time;
	const char	*tenant_id;

	/* of a start */
	const char *caller_number;
	const char *callee_number;
	const char *direction;
	const char *trunk;

	/* of a start (whom the dialplan knows), of an identified user */
	const char *user_id;
	bool		has_contact_id;
	int64		contact_id;

	/* of an end */
	const char *hangup_cause;
	const char *hangup_source;
	int			sip_status; /* 0: none */

	/* of a recording */
	const char *recording_url;
} CdrEventFact;

/* Which mapping an event was read by. */
typedef struct CdrMappingId
{
	const char *name;
	int			version;
} CdrMappingId;

#endif /* CDR_FACT_H */
