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
tell_after_start(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	const CdrFact *started = &story->call->facts[CDR_REG_STARTED];
	int64		   seconds;

	if (!is_own_time(started) || event->time_source == CDR_TIME_OF_RECEIPT)
		return;
	seconds = (event->time - started->time) / USECS_PER_SEC;
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
is_told_again(const CdrFact *started, const CdrEvent *event)
{
	return started->time != CDR_NO_TIME && !is_that_event(started, event) &&
		   event->time >= started->time &&
		   is_same_text(started->texts[CDR_FACT_CALLER],
						event->caller_number) &&
		   is_same_text(started->texts[CDR_FACT_CALLEE], event->callee_number);
}

static void
tell_started(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	const CdrFact *started = &story->call->facts[CDR_REG_STARTED];

	if (story->again && is_that_event(started, event))
		appendStringInfoString(out, "the Call-ID is used again: ");
	else if (is_told_again(started, event))
		appendStringInfoString(out, "again: ");
	cdr_words_quote(event->caller_number, "somebody", out);
	appendStringInfoString(out, " calls ");
	cdr_words_quote(event->callee_number, "somebody", out);
	if (event->trunk != NULL)
	{
		appendStringInfoString(out, " over trunk ");
		cdr_words_quote(event->trunk, "", out);
	}
	if (event->answers)
		appendStringInfoString(out, ", answered at once");
}

static void
tell_ringing(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	appendStringInfoString(out, "ringing");
	tell_after_start(story, event, out);
}

static void
tell_answered(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	bool again = cdr_call_has(story->call, CDR_REG_ANSWERED) &&
				 event->time > story->call->facts[CDR_REG_ANSWERED].time;

	appendStringInfoString(out, again ? "answered again" : "answered");
	tell_after_start(story, event, out);
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
tell_cause(const CdrEvent *event, StringInfo out)
{
	if (event->hangup_source != NULL)
	{
		appendStringInfoString(out, ", by ");
		cdr_words_quote(event->hangup_source, "", out);
	}
	appendStringInfoString(out, ": ");
	cdr_words_cause(event->hangup_cause, "no cause given", out);
	if (event->sip_status != 0)
		appendStringInfo(out, " (SIP %d)", event->sip_status);
}

static void
tell_ended(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	if (story->has_end && is_that_event(&story->end, event))
	{
		appendStringInfoString(out, "ended");
		tell_after_start(story, event, out);
		tell_talk(story, out);
	}
	else if (cdr_event_ends_branch(event))
		appendStringInfoString(out, "one attempt ended");
	else if (story->has_end)
		appendStringInfoString(out, "another end");
	else
		appendStringInfoString(out, "an end that is not the call's");
	tell_cause(event, out);
}

static void
tell_user(const CdrEvent *event, const char *what, StringInfo out)
{
	appendStringInfoString(out, event->user_id != NULL ? "user " : "no user");
	cdr_words_quote(event->user_id, "", out);
	appendStringInfo(out, " %s", what);
	if (event->has_contact_id)
		appendStringInfo(out, ", contact " INT64_FORMAT, event->contact_id);
}

static void
tell_identified(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	tell_user(event, "identified", out);
}

static void
tell_created(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	tell_user(event, "created", out);
}

static void
tell_recording(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	appendStringInfoString(out, "recording: ");
	cdr_words_quote(event->recording_url, "no place given", out);
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
tell_correction(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	if (cdr_event_from_outside(event) || event->corrected == NULL)
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
tell_closed(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	appendStringInfoString(out,
						   cdr_event_from_outside(event)
							   ? "a closing that does not count"
							   : "closed, because nobody told of the end");
}

/*
 * The sentence of each type: as a function says it, or always the same.  Types
 * that are not here are told by their name.
 */
static const struct
{
	const char *type;
	void (*tell)(const CdrStory *story, const CdrEvent *event, StringInfo out);
	const char *always;
} sentences[] = {
	{"call.started", tell_started, NULL},
	{"call.ringing", tell_ringing, NULL},
	{"call.answered", tell_answered, NULL},
	{"call.ended", tell_ended, NULL},
	{"user.identified.for_call", tell_identified, NULL},
	{"user.created.for_call", tell_created, NULL},
	{"call.recording.available", tell_recording, NULL},
	{CDR_CORRECTED_TYPE, tell_correction, NULL},
	{CDR_WITHDRAWN_TYPE, tell_correction, NULL},
	{CDR_CLOSED_TYPE, tell_closed, NULL},
	{"call.terminate.request", NULL, "the platform is asked to end the call"},
	{"call.media.playback.finished", NULL, "a playback finished"},
	{"acoustic.mood.shifted", NULL, "the mood of a voice shifted"},
	{"dialog.turn.completed", NULL, "a turn of the dialog is over"},
	{"cognitive.map.updated", NULL, "the cognitive map was updated"},
	{"media.generation.completed", NULL, "media were generated"},
	{"media.generation.failed", NULL, "media could not be generated"},
};

static void
tell_by_type(const CdrStory *story, const CdrEvent *event, StringInfo out)
{
	for (int i = 0; event->type != NULL && i < (int) lengthof(sentences); i++)
	{
		if (strcmp(sentences[i].type, event->type) != 0)
			continue;
		if (sentences[i].tell != NULL)
			sentences[i].tell(story, event, out);
		else
			appendStringInfoString(out, sentences[i].always);
		return;
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
	tell_by_type(story, event, sentence);
	if (event->time_source == CDR_TIME_OF_RECEIPT)
		appendStringInfoString(sentence, " (time of receipt)");
}
