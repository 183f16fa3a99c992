/*-------------------------------------------------------------------------
 *
 * story.c
 *	  An event of a call in words, as a person would tell it.
 *
 * An event is told as what it was for its call: an end is that of the call, or
 * of a phone that did not answer.  So a story is told when the call is known.
 * Seconds are those of doc/merge.md, whole and cut off; of a time that is only
 * that of a receipt there are none.
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
#include "call/story.h"
#include "call/words.h"

/* Is the event the one that counts, of its kind?  Its time may be corrected. */
static bool
is_that_event(const CdrFact *fact, const CdrEvent *event)
{
	return memcmp(fact->id.data, event->id.data, UUID_LEN) == 0;
}

static bool
is_own_time(const CdrFact *fact)
{
	return fact->time != CDR_NO_TIME && fact->rank < CDR_RANK_GUESS;
}

/* How long after the start that was, where both times are known. */
static void
tell_after_start(const CdrStory *story, const CdrEventFact *said,
				 StringInfo out)
{
	const CdrFact *started = &story->call->facts[CDR_REG_STARTED];
	int64		   seconds;

	if (!is_own_time(started) || said->rank == CDR_RANK_GUESS)
		return;
	seconds = (said->time - started->time) / USECS_PER_SEC;
	if (seconds >= 0)
		appendStringInfo(out, " after " INT64_FORMAT " s", seconds);
	else
		appendStringInfo(out, " " INT64_FORMAT " s before the start",
						 -seconds);
}

static bool
is_same_text(const char *text, const char *other)
{
	return text == NULL || other == NULL ? text == other
										 : strcmp(text, other) == 0;
}

/* The same call told once more, as two producers do?  In a transfer, whoever is
 * called is another. */
static bool
is_told_again(const CdrFact *started, const CdrEvent *event,
			  const CdrEventFact *said)
{
	return started->time != CDR_NO_TIME && !is_that_event(started, event) &&
		   said->time >= started->time &&
		   is_same_text(started->texts[CDR_FACT_CALLER],
						said->caller_number) &&
		   is_same_text(started->texts[CDR_FACT_CALLEE], said->callee_number);
}

static void
tell_started(const CdrStory *story, const CdrEvent *event,
			 const CdrEventFact *said, StringInfo out)
{
	const CdrFact	   *started = &story->call->facts[CDR_REG_STARTED];
	const CdrEventFact *answer;

	if (story->again && is_that_event(started, event))
		appendStringInfoString(out, "the Call-ID is used again: ");
	else if (is_told_again(started, event, said))
		appendStringInfoString(out, "again: ");
	cdr_words_quote(said->caller_number, "somebody", out);
	appendStringInfoString(out, " calls ");
	cdr_words_quote(said->callee_number, "somebody", out);
	if (said->trunk != NULL)
	{
		appendStringInfoString(out, " over trunk ");
		cdr_words_quote(said->trunk, "", out);
	}
	answer = cdr_event_fact(event, CDR_CALL_ANSWERED);
	if (answer != NULL && answer->time == said->time)
		appendStringInfoString(out, ", answered at once");
}

static void
tell_ringing(const CdrStory *story, const CdrEvent *event,
			 const CdrEventFact *said, StringInfo out)
{
	appendStringInfoString(out, "ringing");
	tell_after_start(story, said, out);
}

static void
tell_answered(const CdrStory *story, const CdrEvent *event,
			  const CdrEventFact *said, StringInfo out)
{
	bool again = cdr_call_has(story->call, CDR_REG_ANSWERED) &&
				 said->time > story->call->facts[CDR_REG_ANSWERED].time;

	appendStringInfoString(out, again ? "answered again" : "answered");
	tell_after_start(story, said, out);
}

/* Is the time of the answer its own?  One that was corrected is. */
static bool
is_own_answer(const CdrCall *call)
{
	return cdr_corrections_said(call->corrections, CDR_CORRECT_ANSWER_TIME) !=
			   NULL ||
		   is_own_time(&call->facts[CDR_REG_ANSWERED]);
}

/* How long people talked, by what is corrected, too; or why nobody can say. */
static void
tell_talk(const CdrStory *story, StringInfo out)
{
	bool is_answered = strcmp(story->row.disposition, "ANSWERED") == 0;

	if (!is_answered)
		appendStringInfoString(out, ", not answered");
	else if (story->row.answer_time == CDR_NO_TIME)
		appendStringInfoString(out, ", nobody told of the answer");
	else if (is_own_answer(story->call) && is_own_time(&story->end))
		appendStringInfo(out, ", " INT64_FORMAT " s of talk",
						 cdr_row_billable(&story->row));
}

static void
tell_cause(const CdrEventFact *said, StringInfo out)
{
	if (said->hangup_source != NULL)
	{
		appendStringInfoString(out, ", by ");
		cdr_words_quote(said->hangup_source, "", out);
	}
	appendStringInfoString(out, ": ");
	cdr_words_cause(said->hangup_cause, "no cause given", out);
	if (said->sip_status != 0)
		appendStringInfo(out, " (SIP %d)", said->sip_status);
}

static void
tell_ended(const CdrStory *story, const CdrEvent *event,
		   const CdrEventFact *said, StringInfo out)
{
	if (story->has_end && is_that_event(&story->end, event))
	{
		appendStringInfoString(out, "ended");
		tell_after_start(story, said, out);
		tell_talk(story, out);
	}
	else if (cdr_event_ends_branch(event))
		appendStringInfoString(out, "one attempt ended");
	else if (story->has_end)
		appendStringInfoString(out, "another end");
	else
		appendStringInfoString(out, "an end that is not the call's");
	tell_cause(said, out);
}

static void
tell_user(const CdrEventFact *said, const char *what, StringInfo out)
{
	appendStringInfoString(out, said->user_id != NULL ? "user " : "no user");
	cdr_words_quote(said->user_id, "", out);
	appendStringInfo(out, " %s", what);
	if (said->has_contact_id)
		appendStringInfo(out, ", contact " INT64_FORMAT, said->contact_id);
}

static void
tell_identified(const CdrStory *story, const CdrEvent *event,
				const CdrEventFact *said, StringInfo out)
{
	bool created =
		event->type != NULL && strcmp(event->type, CDR_USER_CREATED_TYPE) == 0;

	tell_user(said, created ? "created" : "identified", out);
}

static void
tell_recording(const CdrStory *story, const CdrEvent *event,
			   const CdrEventFact *said, StringInfo out)
{
	appendStringInfoString(out, "recording: ");
	cdr_words_quote(said->recording_url, "no place given", out);
}

/* Columns of a correction of which the same is said, after a colon or comma. */
static void
tell_columns(const CdrSaid *said, CdrSaidKind kind, const char *what,
			 StringInfo out)
{
	bool found = false;

	for (int i = 0; i < CDR_NCORRECTABLE; i++)
	{
		if (said[i].kind != kind)
			continue;
		appendStringInfo(out, "%s%s", found ? ", " : what,
						 cdr_correctable[i].name);
		found = true;
	}
}

/* What looks like a correction, but no function made it, says nothing. */
static void
tell_correction(const CdrStory *story, const CdrEvent *event,
				const CdrEventFact *said, StringInfo out)
{
	if (event->corrected == NULL)
	{
		appendStringInfoString(out, "a correction that does not count");
		return;
	}
	appendStringInfoString(out, "correction");
	tell_columns(event->corrected, CDR_SAID_VALUE, ", other values: ", out);
	tell_columns(event->corrected, CDR_SAID_NONE, ", there was none: ", out);
	tell_columns(event->corrected, CDR_SAID_BY_EVENTS,
				 ", again as the events say: ", out);
}

static void
tell_closed(const CdrStory *story, const CdrEvent *event,
			const CdrEventFact *said, StringInfo out)
{
	appendStringInfoString(out, "closed, because nobody told of the end");
}

typedef void (*Teller)(const CdrStory *story, const CdrEvent *event,
					   const CdrEventFact *said, StringInfo out);

static const Teller tellers[] = {
	[CDR_CALL_STARTED] = tell_started,
	[CDR_CALL_RINGING] = tell_ringing,
	[CDR_CALL_ANSWERED] = tell_answered,
	[CDR_CALL_ENDED] = tell_ended,
	[CDR_USER_IDENTIFIED] = tell_identified,
	[CDR_RECORDING_AVAILABLE] = tell_recording,
	[CDR_CALL_CORRECTED] = tell_correction,
	[CDR_CALL_CLOSED] = tell_closed,
};

/* What an event says of its call; an answer at the start is told with that. */
static void
tell_facts(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	const CdrEventFact *start = cdr_event_fact(event, CDR_CALL_STARTED);
	const char		   *before =
		event->facts[0].rank == CDR_RANK_RECORD ? "record: " : "";

	for (int i = 0; i < event->nfacts; i++)
	{
		const CdrEventFact *said = &event->facts[i];

		if (said->kind == CDR_CALL_ANSWERED && start != NULL &&
			said->time == start->time)
			continue;
		appendStringInfoString(out, before);
		tellers[said->kind](story, event, said, out);
		before = "; ";
	}
}

/* Types of which nothing is known but that they came; others are told by name. */
static const struct
{
	const char *type;
	const char *sentence;
} sentences[] = {
	{CDR_CORRECTED_TYPE, "a correction that does not count"},
	{CDR_WITHDRAWN_TYPE, "a correction that does not count"},
	{CDR_CLOSED_TYPE, "a closing that does not count"},
	{"call.terminate.request", "the platform is asked to end the call"},
	{"call.media.playback.finished", "a playback finished"},
	{"acoustic.mood.shifted", "the mood of a voice shifted"},
	{"dialog.turn.completed", "a turn of the dialog is over"},
	{"cognitive.map.updated", "the cognitive map was updated"},
	{"media.generation.completed", "media were generated"},
	{"media.generation.failed", "media could not be generated"},
};

static void
tell_type(const CdrEvent *event, StringInfo out)
{
	for (int i = 0; event->type != NULL && i < (int) lengthof(sentences); i++)
	{
		if (strcmp(sentences[i].type, event->type) == 0)
		{
			appendStringInfoString(out, sentences[i].sentence);
			return;
		}
	}
	appendStringInfoString(out, "event: ");
	cdr_words_name(event->type, "of no type", out);
}

void
cdr_story_init(CdrStory *story, const CdrCall *call, bool again)
{
	StringInfoData state;

	story->call = call;
	story->again = again;
	story->has_end = cdr_call_end(call, &story->end);
	initStringInfo(&state);
	cdr_call_derive(call, &state, &story->row);
	/* nobody asks for it here */
	story->row.merge_state = NULL;
	pfree(state.data);
}

void
cdr_story_tell(const CdrStory *story, const CdrEvent *event,
			   StringInfo sentence)
{
	if (event->nfacts > 0)
		tell_facts(story, event, sentence);
	else
		tell_type(event, sentence);
	if (event->erased != NULL)
		appendStringInfoString(sentence, " (erased)");
	if (event->time_source == CDR_TIME_OF_RECEIPT)
		appendStringInfoString(sentence, " (time of receipt)");
}
