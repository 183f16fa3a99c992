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

const char *const cdr_anomaly_names[CDR_NANOMALIES] = {
	[CDR_ANOMALY_REUSED] = "reused",	   [CDR_ANOMALY_CLOCK] = "clock",
	[CDR_ANOMALY_UNTIMED] = "untimed",	   [CDR_ANOMALY_NO_START] = "no start",
	[CDR_ANOMALY_NO_ANSWER] = "no answer", [CDR_ANOMALY_CLOSED] = "closed",
};

/* The cause of an end that nobody told: the call was closed. */
#define CLOSED_CAUSE "closed"

/* Which end ends the call; NULL: none, it is still up. */
typedef struct ChosenEnd
{
	const CdrFact  *fact;
	bool			is_final;  /* it ends an established call */
	bool			is_closed; /* nobody told of it */
	const CdrCause *cause;	   /* NULL: none, or nobody knows it */
	CdrFact corrected; /* what fact points to, if no register holds it */
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
	chosen->is_final = reg != CDR_REG_BRANCH_END;
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
static void
choose_end_of_events(const CdrCall *call, ChosenEnd *chosen)
{
	TimestampTz answer = call->facts[CDR_REG_ANSWERED].time;

	if (cdr_call_knows(call, CDR_REG_ANSWERED))
	{
		take_end_from(call, CDR_REG_FIRST_END, answer, chosen);
		take_end_from(call, CDR_REG_LAST_END, answer, chosen);
		take_end_from(call, CDR_REG_BRANCH_END, answer + BRANCH_LAG, chosen);
		take_end_from(call, CDR_REG_LAST_END, answer - CLOCK_SKEW, chosen);
	}
	else if (cdr_call_has(call, CDR_REG_ANSWERED))
	{
		take_end_whenever(call, CDR_REG_FIRST_END, chosen);
		take_end_whenever(call, CDR_REG_BRANCH_END, chosen);
	}
	else
	{
		take_end_whenever(call, CDR_REG_BRANCH_END, chosen);
		take_end_whenever(call, CDR_REG_FIRST_END, chosen);
	}
}

/*
 * The end of a call that was closed, if no other ends it, if nobody said when it
 * ended, and if it is not known to have been answered after that.
 */
static void
take_closing(const CdrCall *call, ChosenEnd *chosen)
{
	const CdrFact *closed = &call->facts[CDR_REG_CLOSED];

	if (chosen->fact != NULL || closed->time == CDR_NO_TIME ||
		cdr_corrections_said(call->corrections, CDR_CORRECT_END_TIME) !=
			NULL ||
		(cdr_call_knows(call, CDR_REG_ANSWERED) &&
		 closed->time < call->facts[CDR_REG_ANSWERED].time))
		return;
	chosen->corrected = *closed;
	chosen->corrected.texts[CDR_FACT_CAUSE] = CLOSED_CAUSE;
	chosen->fact = &chosen->corrected;
	chosen->is_final = true;
	chosen->is_closed = true;
}

/* The time of an end: there was none, or another, also where events tell none. */
static void
correct_end_time(const CdrSaid *said, ChosenEnd *chosen)
{
	if (said == NULL)
		return;
	if (said->kind == CDR_SAID_NONE)
	{
		chosen->fact = NULL;
		return;
	}
	if (chosen->fact == NULL)
		chosen->is_final = true;
	else
		chosen->corrected = *chosen->fact;
	chosen->corrected.time = said->time;
	chosen->corrected.rank = CDR_RANK_LIVE;
	chosen->fact = &chosen->corrected;
}

/* What the end says beside its time.  A call that is up has no cause. */
static void
correct_end(const CdrCorrections *corrections, ChosenEnd *chosen)
{
	const CdrSaid *cause =
		cdr_corrections_said(corrections, CDR_CORRECT_CAUSE);
	const CdrSaid *source =
		cdr_corrections_said(corrections, CDR_CORRECT_SOURCE);
	const CdrSaid *sip_status =
		cdr_corrections_said(corrections, CDR_CORRECT_SIP_STATUS);

	correct_end_time(cdr_corrections_said(corrections, CDR_CORRECT_END_TIME),
					 chosen);
	if (chosen->fact == NULL)
		return;
	if (chosen->fact != &chosen->corrected)
		chosen->corrected = *chosen->fact;
	chosen->fact = &chosen->corrected;
	if (cause != NULL)
	{
		const CdrCause *meant =
			cause->text != NULL ? cdr_cause_find(cause->text) : NULL;

		chosen->corrected.texts[CDR_FACT_CAUSE] = cause->text;
		chosen->is_final = meant == NULL || meant->ends != CDR_ENDS_BRANCH;
	}
	if (source != NULL)
		chosen->corrected.texts[CDR_FACT_SOURCE] = source->text;
	if (sip_status != NULL)
		chosen->corrected.sip_status = (int) sip_status->number;
}

static void
choose_end(const CdrCall *call, ChosenEnd *chosen)
{
	memset(chosen, 0, sizeof(ChosenEnd));
	choose_end_of_events(call, chosen);
	take_closing(call, chosen);
	if (call->corrections != NULL)
		correct_end(call->corrections, chosen);
	if (chosen->fact != NULL && chosen->fact->texts[CDR_FACT_CAUSE] != NULL)
		chosen->cause = cdr_cause_find(chosen->fact->texts[CDR_FACT_CAUSE]);
}

/* Is it certain that nobody answered, because somebody said so? */
static bool
is_unanswered(const CdrCall *call)
{
	const CdrSaid *said =
		cdr_corrections_said(call->corrections, CDR_CORRECT_ANSWER_TIME);

	return said != NULL && said->kind == CDR_SAID_NONE;
}

/* Does the cause say that there was an answer, and nobody that there was none? */
static bool
cause_tells_answer(const CdrCall *call, const ChosenEnd *end)
{
	return end->cause != NULL &&
		   strcmp(end->cause->disposition, "ANSWERED") == 0 &&
		   !is_unanswered(call);
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
		(cdr_call_has(call, CDR_REG_ANSWERED) && end->is_final) ||
		cause_tells_answer(call, end))
		return "ANSWERED";
	if (end->cause == NULL || strcmp(end->cause->disposition, "ANSWERED") == 0)
		return "NO_ANSWER";
	return end->cause->disposition;
}

/* Is one fact over a second before another, both by times of their own? */
static bool
is_well_before(const CdrFact *fact, const CdrFact *other)
{
	return fact->time != CDR_NO_TIME && fact->rank < CDR_RANK_GUESS &&
		   other->time != CDR_NO_TIME && other->rank < CDR_RANK_GUESS &&
		   other->time - fact->time > CLOCK_ANOMALY;
}

/* The earliest end of an established call that anybody told. */
static TimestampTz
first_end_of(const CdrCall *call)
{
	const CdrSaid *said =
		cdr_corrections_said(call->corrections, CDR_CORRECT_END_TIME);

	if (said != NULL)
		return said->kind == CDR_SAID_NONE ? CDR_NO_TIME : said->time;
	return call->facts[CDR_REG_FIRST_END].time;
}

/*
 * told is the call as its events say it: a start that was corrected is no other
 * one.
 */
static bool
is_reused(const CdrCall *told, const CdrCall *call)
{
	TimestampTz corrected = call->facts[CDR_REG_STARTED].time;
	TimestampTz first = Max(told->facts[CDR_REG_STARTED].time, corrected);
	TimestampTz last = told->facts[CDR_REG_LAST_START].time;
	TimestampTz end = first_end_of(call);

	if (!cdr_call_knows(told, CDR_REG_LAST_START) ||
		corrected == CDR_NO_TIME || last <= first)
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
		   (end->fact != NULL && is_guess(end->fact) && !end->is_closed);
}

static unsigned int
derive_anomalies(const CdrCall *told, const CdrCall *call,
				 const ChosenEnd *end)
{
	bool has_answer = cdr_call_has(call, CDR_REG_ANSWERED);
	bool is[CDR_NANOMALIES] = {
		[CDR_ANOMALY_REUSED] = is_reused(told, call),
		[CDR_ANOMALY_CLOCK] = has_odd_clocks(call, end),
		[CDR_ANOMALY_UNTIMED] = is_untimed(call, end),
		[CDR_ANOMALY_NO_START] = !cdr_call_has(call, CDR_REG_STARTED) &&
								 (has_answer || end->fact != NULL),
		[CDR_ANOMALY_NO_ANSWER] = !has_answer && cause_tells_answer(call, end),
		[CDR_ANOMALY_CLOSED] = end->fact != NULL && end->is_closed,
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
derive_end(const CdrCall *told, const CdrCall *call, CdrRow *row)
{
	ChosenEnd end;

	choose_end(call, &end);
	row->status = derive_status(call, &end);
	row->disposition = derive_disposition(call, &end);
	row->anomalies = derive_anomalies(told, call, &end);
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

/* The columns of texts that no other column follows from. */
static const struct
{
	CdrCorrectable column;
	size_t		   in_row;
} corrected_texts[] = {
	{CDR_CORRECT_CALLER, offsetof(CdrRow, caller_number)},
	{CDR_CORRECT_CALLEE, offsetof(CdrRow, callee_number)},
	{CDR_CORRECT_DIRECTION, offsetof(CdrRow, direction)},
	{CDR_CORRECT_TRUNK, offsetof(CdrRow, trunk)},
	{CDR_CORRECT_TENANT, offsetof(CdrRow, tenant_id)},
	{CDR_CORRECT_USER, offsetof(CdrRow, user_id)},
	{CDR_CORRECT_RECORDING, offsetof(CdrRow, recording_url)},
};

static void
correct_row(const CdrCorrections *corrections, CdrRow *row)
{
	const CdrSaid *said =
		cdr_corrections_said(corrections, CDR_CORRECT_CONTACT);

	if (said != NULL)
	{
		row->has_contact_id = said->kind == CDR_SAID_VALUE;
		row->contact_id = said->number;
	}
	for (int i = 0; i < (int) lengthof(corrected_texts); i++)
	{
		said = cdr_corrections_said(corrections, corrected_texts[i].column);
		if (said != NULL)
			*(const char **) ((char *) row + corrected_texts[i].in_row) =
				said->text;
	}
}

/* The times that are corrected, but for that of the end, which is chosen first. */
static const struct
{
	CdrCorrectable column;
	CdrRegister	   reg;
} corrected_times[] = {
	{CDR_CORRECT_START_TIME, CDR_REG_STARTED},
	{CDR_CORRECT_RING_TIME, CDR_REG_RANG},
	{CDR_CORRECT_ANSWER_TIME, CDR_REG_ANSWERED},
};

/*
 * The call with corrected times in its registers: such a time is its own.  What
 * else a register says stays.
 */
static CdrCall
with_corrected_times(const CdrCall *told)
{
	CdrCall call = *told;

	for (int i = 0; i < (int) lengthof(corrected_times); i++)
	{
		const CdrSaid *said =
			cdr_corrections_said(told->corrections, corrected_times[i].column);
		CdrFact *fact = &call.facts[corrected_times[i].reg];

		if (said == NULL)
			continue;
		fact->time = said->kind == CDR_SAID_VALUE ? said->time : CDR_NO_TIME;
		fact->rank = CDR_RANK_LIVE;
	}
	return call;
}

/* What follows from the times, which are told's or corrected. */
static void
derive_columns(const CdrCall *told, const CdrCall *call, CdrRow *row)
{
	derive_course(call, row);
	derive_end(told, call, row);
	derive_user(call, row);
	row->recording_url =
		call->facts[CDR_REG_RECORDED].texts[CDR_FACT_RECORDING];
}

void
cdr_call_derive(const CdrCall *call, StringInfo state, CdrRow *row)
{
	memset(row, 0, sizeof(CdrRow));
	row->call_id = call->call_id;
	if (call->corrections == NULL)
		derive_columns(call, call, row);
	else
	{
		CdrCall corrected = with_corrected_times(call);

		derive_columns(call, &corrected, row);
		correct_row(call->corrections, row);
	}
	row->event_count = call->event_count;
	row->first_event_time = call->first_event_time;
	row->last_event_time = call->last_event_time;

	resetStringInfo(state);
	cdr_state_write(call, row, state);
	row->merge_state = state->data;
	row->merge_state_length = state->len;
}

bool
cdr_call_is_reused(const CdrCall *call)
{
	CdrCall corrected = with_corrected_times(call);

	return is_reused(call, &corrected);
}

bool
cdr_call_end(const CdrCall *call, CdrFact *end)
{
	CdrCall	  corrected = with_corrected_times(call);
	ChosenEnd chosen;

	choose_end(&corrected, &chosen);
	if (chosen.fact == NULL)
		return false;
	*end = *chosen.fact;
	return true;
}

TimestampTz
cdr_row_attempt(const CdrRow *row)
{
	if (row->start_time != CDR_NO_TIME)
		return row->start_time;
	return row->answer_time != CDR_NO_TIME ? row->answer_time : row->end_time;
}

int64
cdr_row_duration(const CdrRow *row)
{
	if (row->start_time == CDR_NO_TIME || row->end_time == CDR_NO_TIME)
		return CDR_NO_SECONDS;
	return Max(row->end_time - row->start_time, 0) / SECOND;
}

int64
cdr_row_billable(const CdrRow *row)
{
	if (row->end_time == CDR_NO_TIME)
		return CDR_NO_SECONDS;
	if (row->answer_time == CDR_NO_TIME ||
		strcmp(row->disposition, "ANSWERED") != 0)
		return 0;
	return Max(row->end_time - row->answer_time, 0) / SECOND;
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
