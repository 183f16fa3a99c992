/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  The merge: from the set of a call's events to what they say of it.
 *
 * A call is a handful of registers.  An event gives facts, each for one
 * register, which holds the winner of all that it was given: the one of the
 * lowest rank, of these the earliest or the latest, of these the one of the
 * smaller or the greater event id.  No two distinct events share all three, so
 * taking the winner of two is associative, commutative and idempotent, and so
 * is the whole: any order of events, any split into batches, gives the same
 * call.  Only event_count is a sum; each event is counted once because the log
 * takes it once.  Corrections stand above the registers, in corrections.c.
 *
 * This is the only join there is: batches, stored rows, verify and rebuild take
 * it from here.  What people read of a call is worked out in derive.c.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/causes.h"
#include "call/merge.h"

#define TEXT(text) (1U << CDR_FACT_##text)
#define ENDED                                                                \
	{                                                                        \
		.id = true, .sip_status = true, .texts = TEXT(CAUSE) | TEXT(SOURCE), \
	}

const CdrRegisterKeeps cdr_register_keeps[CDR_NREGISTERS] = {
	[CDR_REG_STARTED] = {.id = true,
						 .contact_id = true,
						 .texts = TEXT(CALLER) | TEXT(CALLEE) |
								  TEXT(DIRECTION) | TEXT(TRUNK) |
								  TEXT(TENANT) | TEXT(USER)},
	[CDR_REG_FIRST_END] = ENDED,
	[CDR_REG_LAST_END] = ENDED,
	[CDR_REG_BRANCH_END] = ENDED,
	[CDR_REG_IDENTIFIED] = {.id = true,
							.contact_id = true,
							.texts = TEXT(TENANT) | TEXT(USER)},
	[CDR_REG_RECORDED] = {.id = true, .texts = TEXT(RECORDING)},
};

/* In which registers the later of two facts wins. */
static const bool latest_wins[CDR_NREGISTERS] = {
	[CDR_REG_LAST_START] = true, [CDR_REG_LAST_END] = true,
	[CDR_REG_BRANCH_END] = true, [CDR_REG_IDENTIFIED] = true,
	[CDR_REG_RECORDED] = true,	 [CDR_REG_CLOSED] = true,
};

/* Does the fact win the register from the one that is in it? */
static bool
wins(CdrRegister reg, const CdrFact *fact, const CdrFact *holder)
{
	int order;

	if (holder->time == CDR_NO_TIME)
		return true;
	if (fact->rank != holder->rank)
		return fact->rank < holder->rank;
	if (fact->time != holder->time)
		order = fact->time < holder->time ? -1 : 1;
	else if (cdr_register_keeps[reg].id)
		order = memcmp(fact->id.data, holder->id.data, UUID_LEN);
	else
		return false;
	return latest_wins[reg] ? order > 0 : order < 0;
}

/* Gives a fact to a register, which keeps what it is for. */
static void
give(CdrCall *call, CdrRegister reg, const CdrFact *fact)
{
	const CdrRegisterKeeps *keeps = &cdr_register_keeps[reg];
	CdrFact				   *holder = &call->facts[reg];

	if (!wins(reg, fact, holder))
		return;
	holder->time = fact->time;
	holder->rank = fact->rank;
	if (!keeps->id)
		return;
	*holder = *fact;
	for (int i = 0; i < CDR_FACT_NTEXTS; i++)
	{
		if ((keeps->texts & (1U << i)) == 0)
			holder->texts[i] = NULL;
	}
	if (!keeps->contact_id)
	{
		holder->has_contact_id = false;
		holder->contact_id = 0;
	}
	if (!keeps->sip_status)
		holder->sip_status = 0;
}

/* What an event says, for whichever register. */
static CdrFact
fact_of(const CdrEvent *event, const CdrEventFact *said)
{
	CdrFact fact = {.time = said->time,
					.rank = said->rank,
					.id = event->id,
					.texts = {[CDR_FACT_CALLER] = said->caller_number,
							  [CDR_FACT_CALLEE] = said->callee_number,
							  [CDR_FACT_DIRECTION] = said->direction,
							  [CDR_FACT_TRUNK] = said->trunk,
							  [CDR_FACT_TENANT] = said->tenant_id,
							  [CDR_FACT_USER] = said->user_id,
							  [CDR_FACT_CAUSE] = said->hangup_cause,
							  [CDR_FACT_SOURCE] = said->hangup_source,
							  [CDR_FACT_RECORDING] = said->recording_url},
					.has_contact_id = said->has_contact_id,
					.contact_id = said->contact_id,
					.sip_status = said->sip_status};

	return fact;
}

bool
cdr_event_ends_branch(const CdrEvent *event)
{
	const CdrEventFact *end = cdr_event_fact(event, CDR_CALL_ENDED);
	const CdrCause	   *cause;

	if (end == NULL || end->hangup_cause == NULL ||
		cdr_event_fact(event, CDR_CALL_ANSWERED) != NULL)
		return false;
	cause = cdr_cause_find(end->hangup_cause);
	return cause != NULL && cause->ends == CDR_ENDS_BRANCH;
}

/* When a call ended that nobody ended. */
static void
close_call(CdrCall *call, const CdrEvent *event)
{
	CdrFact fact = {.time = event->closed_at, .rank = CDR_RANK_GUESS};

	if (event->closed_at != CDR_NO_TIME)
		give(call, CDR_REG_CLOSED, &fact);
}

static void
add_fact(CdrCall *call, const CdrEvent *event, const CdrEventFact *said)
{
	CdrFact fact = fact_of(event, said);

	switch (said->kind)
	{
		case CDR_CALL_STARTED:
			give(call, CDR_REG_STARTED, &fact);
			give(call, CDR_REG_LAST_START, &fact);
			break;
		case CDR_CALL_RINGING:
			give(call, CDR_REG_RANG, &fact);
			break;
		case CDR_CALL_ANSWERED:
			give(call, CDR_REG_ANSWERED, &fact);
			break;
		case CDR_CALL_ENDED:
			if (cdr_event_ends_branch(event))
				give(call, CDR_REG_BRANCH_END, &fact);
			else
			{
				give(call, CDR_REG_FIRST_END, &fact);
				give(call, CDR_REG_LAST_END, &fact);
			}
			break;
		case CDR_USER_IDENTIFIED:
			give(call, CDR_REG_IDENTIFIED, &fact);
			break;
		case CDR_RECORDING_AVAILABLE:
			give(call, CDR_REG_RECORDED, &fact);
			break;
		case CDR_CALL_CORRECTED:
			call->corrections = cdr_corrections_join(
				call->corrections, cdr_corrections_of(event));
			break;
		case CDR_CALL_CLOSED:
			close_call(call, event);
			break;
		case CDR_OTHER:
			break;
	}
}

/* Widens a stretch of time to another; CDR_NO_TIME: there is none. */
static void
widen_times(TimestampTz *from, TimestampTz *to, TimestampTz first,
			TimestampTz last)
{
	if (*from == CDR_NO_TIME || (first != CDR_NO_TIME && first < *from))
		*from = first;
	/* CDR_NO_TIME is before all others */
	*to = Max(*to, last);
}

/*
 * Widens the time that events lie between: of those from outside, if the call
 * has any.
 */
static void
widen(CdrCall *call, bool from_outside, TimestampTz first, TimestampTz last)
{
	if (call->from_outside && !from_outside)
		return;
	if (from_outside && !call->from_outside)
	{
		call->from_outside = true;
		call->first_event_time = first;
		call->last_event_time = last;
		return;
	}
	widen_times(&call->first_event_time, &call->last_event_time, first, last);
}

void
cdr_call_init(CdrCall *call, const char *call_id)
{
	memset(call, 0, sizeof(CdrCall));
	call->call_id = call_id;
	call->first_event_time = CDR_NO_TIME;
	call->last_event_time = CDR_NO_TIME;
	call->first_made = CDR_NO_TIME;
	call->last_made = CDR_NO_TIME;
	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
		call->facts[reg].time = CDR_NO_TIME;
}

void
cdr_call_add(CdrCall *call, const CdrEvent *event)
{
	for (int i = 0; i < event->nfacts; i++)
		add_fact(call, event, &event->facts[i]);
	call->event_count++;
	if (!cdr_event_from_outside(event))
		widen_times(&call->first_made, &call->last_made, event->time,
					event->time);
	widen(call, cdr_event_from_outside(event), event->time, event->time);
}

void
cdr_call_join(CdrCall *call, const CdrCall *other)
{
	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		if (cdr_call_has(other, reg) &&
			wins(reg, &other->facts[reg], &call->facts[reg]))
			call->facts[reg] = other->facts[reg];
	}
	call->corrections =
		cdr_corrections_join(call->corrections, other->corrections);
	call->event_count += other->event_count;
	widen_times(&call->first_made, &call->last_made, other->first_made,
				other->last_made);
	widen(call, other->from_outside, other->first_event_time,
		  other->last_event_time);
}
