/*-------------------------------------------------------------------------
 *
 * derive.c
 *	  What people read of a call: the row of calls, out of what its events say.
 *
 * A function of the call alone, so that a row is the same whenever it is worked
 * out.  The rules stand in doc/merge.md, each with an example.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/causes.h"
#include "call/derive.h"
#include "call/state.h"

#define SECOND USECS_PER_SEC

/* A branch may end that long after the answer of another one. */
#define BRANCH_LAG (10 * SECOND)

/* Clocks of two machines may differ by that much. */
#define CLOCK_SKEW	  (10 * SECOND)
#define CLOCK_ANOMALY SECOND

/* A start that long after the first one is another call's. */
#define REUSED_AFTER	 USECS_PER_HOUR
#define REUSED_AFTER_END SECOND

/* The cause of an end that nobody told: the call was closed. */
#define CLOSED_CAUSE "closed"

const char *const cdr_anomaly_names[CDR_NANOMALIES] = {
	[CDR_ANOMALY_REUSED] = "reused",	   [CDR_ANOMALY_CLOCK] = "clock",
	[CDR_ANOMALY_UNTIMED] = "untimed",	   [CDR_ANOMALY_NO_START] = "no start",
	[CDR_ANOMALY_NO_ANSWER] = "no answer", [CDR_ANOMALY_CLOSED] = "closed",
};

/* Which end ends the call; NULL: none, it is still up. */
typedef struct ChosenEnd
{
	const CdrFact  *fact;
	CdrRegister		reg;
	const CdrCause *cause; /* NULL: none, or nobody knows it */
} ChosenEnd;

/* Takes an end, unless one stands already that is as good. */
static void
take_end(const CdrCall *call, CdrRegister reg, ChosenEnd *chosen)
{
	const CdrFact *end = &call->facts[reg];

	if (chosen->fact != NULL &&
		(chosen->fact->rank < CDR_RANK_GUESS || end->rank == CDR_RANK_GUESS))
		return;
	chosen->fact = end;
	chosen->reg = reg;
}

/* The same, if it is not before a time. */
static void
take_end_from(const CdrCall *call, CdrRegister reg, TimestampTz from,
			  ChosenEnd *chosen)
{
	if (cdr_call_has(call, reg) && call->facts[reg].time >= from)
		take_end(call, reg, chosen);
}

static void
take_end_whenever(const CdrCall *call, CdrRegister reg, ChosenEnd *chosen)
{
	if (cdr_call_has(call, reg))
		take_end(call, reg, chosen);
}

/*
 * In each case the first that there is; but one of which only the time of
 * receipt is known gives way to another that has a time of its own.
 */
static ChosenEnd
choose_end(const CdrCall *call)
{
	TimestampTz answer = call->facts[CDR_REG_ANSWERED].time;
	ChosenEnd	chosen = {.fact = NULL};

	if (cdr_call_knows(call, CDR_REG_ANSWERED))
	{
		take_end_from(call, CDR_REG_FIRST_END, answer, &chosen);
		take_end_from(call, CDR_REG_LAST_END, answer, &chosen);
		take_end_from(call, CDR_REG_BRANCH_END, answer + BRANCH_LAG, &chosen);
		take_end_from(call, CDR_REG_LAST_END, answer - CLOCK_SKEW, &chosen);
	}
	else if (cdr_call_has(call, CDR_REG_ANSWERED))
	{
		take_end_whenever(call, CDR_REG_FIRST_END, &chosen);
		take_end_whenever(call, CDR_REG_BRANCH_END, &chosen);
	}
	else
	{
		take_end_whenever(call, CDR_REG_BRANCH_END, &chosen);
		take_end_whenever(call, CDR_REG_FIRST_END, &chosen);
	}
	if (chosen.fact != NULL && chosen.fact->texts[CDR_FACT_CAUSE] != NULL)
		chosen.cause = cdr_cause_find(chosen.fact->texts[CDR_FACT_CAUSE]);
	return chosen;
}

static bool
is_closed(const ChosenEnd *end)
{
	return end->fact != NULL && end->fact->rank == CDR_RANK_GUESS &&
		   end->fact->texts[CDR_FACT_CAUSE] != NULL &&
		   strcmp(end->fact->texts[CDR_FACT_CAUSE], CLOSED_CAUSE) == 0;
}

static const char *
derive_status(const CdrCall *call, const ChosenEnd *end)
{
	if (end->fact != NULL)
		return "COMPLETED";
	if (cdr_call_has(call, CDR_REG_ANSWERED))
		return "ANSWERED";
	if (cdr_call_has(call, CDR_REG_RANG))
		return "RINGING";
	if (cdr_call_has(call, CDR_REG_STARTED))
		return "STARTED";
	if (cdr_call_has(call, CDR_REG_IDENTIFIED))
		return "IDENTIFIED";
	return "UNKNOWN";
}

static const char *
derive_disposition(const CdrCall *call, const ChosenEnd *end)
{
	if (end->fact == NULL)
		return NULL;
	if (cdr_call_knows(call, CDR_REG_ANSWERED) ||
		(cdr_call_has(call, CDR_REG_ANSWERED) &&
		 end->reg != CDR_REG_BRANCH_END))
		return "ANSWERED";
	return end->cause != NULL ? end->cause->disposition : "NO_ANSWER";
}

/* Is one fact over a second before another, both by times of their own? */
static bool
is_well_before(const CdrFact *fact, const CdrFact *other)
{
	return fact->time != CDR_NO_TIME && fact->rank < CDR_RANK_GUESS &&
		   other->time != CDR_NO_TIME && other->rank < CDR_RANK_GUESS &&
		   other->time - fact->time > CLOCK_ANOMALY;
}

static bool
is_reused(const CdrCall *call)
{
	TimestampTz first = call->facts[CDR_REG_STARTED].time;
	TimestampTz last = call->facts[CDR_REG_LAST_START].time;
	TimestampTz end = call->facts[CDR_REG_FIRST_END].time;

	if (!cdr_call_knows(call, CDR_REG_LAST_START) || first == CDR_NO_TIME ||
		last <= first)
		return false;
	return last - first > REUSED_AFTER ||
		   (end != CDR_NO_TIME && last - end >= REUSED_AFTER_END);
}

static bool
has_odd_clocks(const CdrCall *call, const ChosenEnd *end)
{
	const CdrFact *started = &call->facts[CDR_REG_STARTED];
	const CdrFact *answered = &call->facts[CDR_REG_ANSWERED];

	return is_well_before(answered, started) ||
		   (end->fact != NULL && (is_well_before(end->fact, started) ||
								  is_well_before(end->fact, answered)));
}

static bool
is_guess(const CdrFact *fact)
{
	return fact->time != CDR_NO_TIME && fact->rank == CDR_RANK_GUESS;
}

static bool
is_untimed(const CdrCall *call, const ChosenEnd *end)
{
	return is_guess(&call->facts[CDR_REG_STARTED]) ||
		   is_guess(&call->facts[CDR_REG_RANG]) ||
		   is_guess(&call->facts[CDR_REG_ANSWERED]) ||
		   (end->fact != NULL && is_guess(end->fact) && !is_closed(end));
}

static unsigned int
derive_anomalies(const CdrCall *call, const ChosenEnd *end)
{
	bool has_answer = cdr_call_has(call, CDR_REG_ANSWERED);
	bool is[CDR_NANOMALIES] = {
		[CDR_ANOMALY_REUSED] = is_reused(call),
		[CDR_ANOMALY_CLOCK] = has_odd_clocks(call, end),
		[CDR_ANOMALY_UNTIMED] = is_untimed(call, end),
		[CDR_ANOMALY_NO_START] = !cdr_call_has(call, CDR_REG_STARTED) &&
								 (has_answer || end->fact != NULL),
		[CDR_ANOMALY_NO_ANSWER] =
			!has_answer && end->cause != NULL &&
			strcmp(end->cause->disposition, "ANSWERED") == 0,
		[CDR_ANOMALY_CLOSED] = is_closed(end),
	};
	unsigned int anomalies = 0;

	for (int i = 0; i < CDR_NANOMALIES; i++)
		anomalies |= (unsigned int) is[i] << i;
	return anomalies;
}

static void
derive_course(const CdrCall *call, CdrRow *row)
{
	const CdrFact *started = &call->facts[CDR_REG_STARTED];

	row->direction = started->texts[CDR_FACT_DIRECTION];
	row->caller_number = started->texts[CDR_FACT_CALLER];
	row->callee_number = started->texts[CDR_FACT_CALLEE];
	row->trunk = started->texts[CDR_FACT_TRUNK];
	row->start_time = started->time;
	row->ring_time = call->facts[CDR_REG_RANG].time;
	row->answer_time = call->facts[CDR_REG_ANSWERED].time;
}

static void
derive_end(const CdrCall *call, CdrRow *row)
{
	ChosenEnd end = choose_end(call);

	row->status = derive_status(call, &end);
	row->disposition = derive_disposition(call, &end);
	row->anomalies = derive_anomalies(call, &end);
	row->end_time = CDR_NO_TIME;
	if (end.fact == NULL)
		return;
	row->end_time = end.fact->time;
	row->hangup_cause = end.fact->texts[CDR_FACT_CAUSE];
	row->hangup_source = end.fact->texts[CDR_FACT_SOURCE];
	row->sip_status = end.fact->sip_status;
}

/* Who takes part: by the latest identification, else by the start. */
static void
derive_user(const CdrCall *call, CdrRow *row)
{
	const CdrFact *started = &call->facts[CDR_REG_STARTED];
	const CdrFact *identified = &call->facts[CDR_REG_IDENTIFIED];
	const CdrFact *by = identified->time != CDR_NO_TIME ? identified : started;

	row->user_id = by->texts[CDR_FACT_USER];
	row->has_contact_id = by->has_contact_id;
	row->contact_id = by->contact_id;
	row->tenant_id = by->texts[CDR_FACT_TENANT];
	/* one that does not say leaves the start's */
	if (row->tenant_id == NULL)
		row->tenant_id = started->texts[CDR_FACT_TENANT];
}

void
cdr_call_derive(const CdrCall *call, StringInfo state, CdrRow *row)
{
	memset(row, 0, sizeof(CdrRow));
	row->call_id = call->call_id;
	derive_course(call, row);
	derive_end(call, row);
	derive_user(call, row);
	row->recording_url =
		call->facts[CDR_REG_RECORDED].texts[CDR_FACT_RECORDING];
	row->event_count = call->event_count;
	row->first_event_time = call->first_event_time;
	row->last_event_time = call->last_event_time;

	resetStringInfo(state);
	cdr_state_write(call, row, state);
	row->merge_state = state->data;
	row->merge_state_length = state->len;
}

const char *
cdr_call_restore(const CdrRow *row, CdrCall *call)
{
	cdr_call_init(call, row->call_id);
	call->event_count = row->event_count;
	call->first_event_time = row->first_event_time;
	call->last_event_time = row->last_event_time;
	if (row->merge_state == NULL)
		return "it is missing";
	return cdr_state_read(row, call);
}
