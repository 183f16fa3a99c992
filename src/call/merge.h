/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  The merge: from the set of a call's events to what they say of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MERGE_H
#define CDR_MERGE_H

#include "call/corrections.h"
#include "event/event.h"

/* The registers of a call: each holds one fact, by the rule in merge.c. */
typedef enum CdrRegister
{
	CDR_REG_STARTED,
	CDR_REG_LAST_START, /* shows a Call-ID that is used again */
	CDR_REG_RANG,
	CDR_REG_ANSWERED,
	CDR_REG_FIRST_END,	/* of those that end an established call */
	CDR_REG_LAST_END,	/* of the same */
	CDR_REG_BRANCH_END, /* of an attempt: of a phone, a route, an agent */
	CDR_REG_IDENTIFIED,
	CDR_REG_RECORDED,
	CDR_REG_CLOSED /* nobody told of its end */
} CdrRegister;
#define CDR_NREGISTERS (CDR_REG_CLOSED + 1)

/* The texts of a fact. */
typedef enum CdrFactText
{
	CDR_FACT_CALLER,
	CDR_FACT_CALLEE,
	CDR_FACT_DIRECTION,
	CDR_FACT_TRUNK,
	CDR_FACT_TENANT,
	CDR_FACT_USER,
	CDR_FACT_CAUSE,
	CDR_FACT_SOURCE,
	CDR_FACT_RECORDING
} CdrFactText;
#define CDR_FACT_NTEXTS (CDR_FACT_RECORDING + 1)

/*
 * What an event says for a register.  Only what that register keeps is set, so
 * that equal facts are equal bytes but for where their texts lie.
 */
typedef struct CdrFact
{
	TimestampTz time; /* CDR_NO_TIME: there is none */
	CdrRank		rank;
	pg_uuid_t	id; /* of the event */
	const char *texts[CDR_FACT_NTEXTS];
	bool		has_contact_id;
	int64		contact_id;
	int			sip_status; /* 0: none */
} CdrFact;

/*
 * What a set of events says of their call.  Strings belong to the events, or to
 * whoever read the state.
 */
typedef struct CdrCall
{
	const char *call_id;
	int64		event_count;

	/* over its events from outside; if there are none, over the others */
	TimestampTz first_event_time;
	TimestampTz last_event_time;
	bool		from_outside; /* there are events from outside */

	/* over those that functions made; CDR_NO_TIME: there are none */
	TimestampTz first_made;
	TimestampTz last_made;

	CdrFact				  facts[CDR_NREGISTERS];
	const CdrCorrections *corrections; /* NULL: none */
} CdrCall;

/* What the registers keep of a fact. */
typedef struct CdrRegisterKeeps
{
	bool		 id; /* and so ties are decided by it; without, nothing else is
					  * kept that two facts of one time could differ in */
	unsigned int texts; /* 1 << CdrFactText */
	bool		 contact_id;
	bool		 sip_status;
} CdrRegisterKeeps;

extern const CdrRegisterKeeps cdr_register_keeps[CDR_NREGISTERS];

/* The call of no events yet. */
extern void cdr_call_init(CdrCall *call, const char *call_id);

/* Adds one event, which must be of that call and not added before. */
extern void cdr_call_add(CdrCall *call, const CdrEvent *event);

/*
 * Adds what another set of events says of the same call.  Commutative and
 * associative; idempotent, too, but for event_count: the sets must have no
 * event in common.
 */
extern void cdr_call_join(CdrCall *call, const CdrCall *other);

/*
 * Does an end end an attempt rather than an established call?  Two phones ring
 * and one answers, a route fails and the next one is tried: such ends are not
 * the call's.  One that comes with the answer is.
 */
extern bool cdr_event_ends_branch(const CdrEvent *event);

static inline bool
cdr_call_has(const CdrCall *call, CdrRegister reg)
{
	return call->facts[reg].time != CDR_NO_TIME;
}

/* Is there a fact, with a time of its own? */
static inline bool
cdr_call_knows(const CdrCall *call, CdrRegister reg)
{
	return cdr_call_has(call, reg) && call->facts[reg].rank < CDR_RANK_GUESS;
}

#endif /* CDR_MERGE_H */
