/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  Why an event is what it is, row by row, for people.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "event/explain.h"
#include "event/explain_unread.h"
#include "event/explain_words.h"
#include "event/kinds.h"
#include "event/mapping_parts.h"
#include "event/mapping_read.h"

/* As mappings name the registers. */
static const char *const parts[] = {
	[CDR_OTHER] = "event",
	[CDR_CALL_STARTED] = "started",
	[CDR_CALL_RINGING] = "rang",
	[CDR_CALL_ANSWERED] = "answered",
	[CDR_CALL_ENDED] = "ended",
	[CDR_USER_IDENTIFIED] = "identified",
	[CDR_RECORDING_AVAILABLE] = "recording",
	[CDR_CALL_CORRECTED] = "corrected",
	[CDR_CALL_CLOSED] = "closed",
};

/*
 * The columns of facts, and which field a native form fills them from: event.c
 * does.
 */
static const struct
{
	const char	*column;
	CdrEventKind kind;
	CdrField	 field;
} carried[] = {
	{"caller_number", CDR_CALL_STARTED, CDR_FIELD_FROM},
	{"callee_number", CDR_CALL_STARTED, CDR_FIELD_TO},
	{"direction", CDR_CALL_STARTED, CDR_FIELD_DIRECTION},
	{"trunk", CDR_CALL_STARTED, CDR_FIELD_TRUNK},
	{"user_id", CDR_CALL_STARTED, CDR_FIELD_MATCHED_USER},
	{"user_id", CDR_USER_IDENTIFIED, CDR_FIELD_USER},
	{"contact_id", CDR_CALL_STARTED, CDR_FIELD_MATCHED_CONTACT},
	{"contact_id", CDR_USER_IDENTIFIED, CDR_FIELD_CONTACT},
	{"hangup_cause", CDR_CALL_ENDED, CDR_FIELD_REASON},
	{"hangup_source", CDR_CALL_ENDED, CDR_FIELD_HANGUP_SOURCE},
	{"sip_status", CDR_CALL_ENDED, CDR_FIELD_SIP_STATUS},
	{"recording_url", CDR_RECORDING_AVAILABLE, CDR_FIELD_RECORDING},
};

static const char *
rank_note(const CdrEventFact *fact)
{
	return fact->rank == CDR_RANK_LIVE ? NULL
									   : psprintf("rank %d", fact->rank);
}

/* ------------------------------------------------------------------------
 * Where something comes from
 * ------------------------------------------------------------------------
 */

/* What is told of a value beside it. */
typedef struct Origin
{
	const char *from; /* as people are told; NULL: nobody said where */
	const char *said; /* as it stands there */
	const char *note;
} Origin;

/* The last that a mapping noted of a column; NULL: nothing. */
static const CdrMappingNote *
mapped_note(const CdrExplaining *explaining, CdrEventKind kind,
			const char *column)
{
	const CdrNotes *notes = explaining->notes;

	for (int i = notes->nmapped; i-- > 0;)
	{
		if (notes->mapped[i].kind == kind &&
			strcmp(notes->mapped[i].column, column) == 0)
			return &notes->mapped[i];
	}
	return NULL;
}

static Origin
mapped_origin(const CdrExplaining *explaining, CdrEventKind kind,
			  const char *column)
{
	const CdrMappingNote *note = mapped_note(explaining, kind, column);

	if (note == NULL)
		return (Origin){0};
	return (Origin){note->from, note->value, note->note};
}

/* Of a field that is used: its place in the body was read. */
static Origin
native_origin(CdrExplaining *explaining, CdrField field)
{
	const CdrSource *source = &explaining->notes->fields[field];

	if (source->place == NULL)
		return (Origin){source->elsewhere, source->said, source->note};
	cdr_notes_read(explaining->notes, source->place);
	return (Origin){cdr_written_place(source->place), source->said,
					source->note};
}

/* A value with its origin; nothing, of which nothing is known. */
static void
tell_value(const CdrExplaining *explaining, const char *part,
		   const char *column, const char *value, const Origin *origin,
		   const char *note)
{
	const char *said = origin->said;

	if (value == NULL && said == NULL && origin->note == NULL &&
		origin->from == NULL)
		return;
	if (value == NULL && said != NULL)
		note =
			cdr_both_notes(note, cdr_of_said(said, "does not fit its column"));
	else if (value != NULL && said != NULL && strcmp(value, said) != 0)
		note = cdr_both_notes(
			note, psprintf("stands there as %s", cdr_quoted(said)));
	cdr_tell(explaining, part, column, value, origin->from,
			 cdr_both_notes(origin->note, note));
}

/* ------------------------------------------------------------------------
 * The message
 * ------------------------------------------------------------------------
 */

static const char *
form_name(CdrFormName form)
{
	return form == CDR_FORM_JSON ? "JSON" : "Protobuf";
}

/* What was taken off, and the message that Protobuf was read as. */
static const char *
form_note(const CdrNotes *notes, bool is_event)
{
	const char *note = NULL;

	for (int i = 0; i < notes->npackings; i++)
		note = cdr_both_notes(note, psprintf("was in %s", notes->packings[i]));
	if (is_event && notes->layout != NULL)
		note =
			cdr_both_notes(note, psprintf("as the message %s", notes->layout));
	if (is_event)
		return note;
	if (notes->envelope.form != CDR_FORM_NONE || notes->is_binary)
		note = cdr_both_notes(note, "tried as a CloudEvent");
	if (notes->tried_json)
		note = cdr_both_notes(note, "tried as JSON");
	if (notes->tried_protobuf)
		note = cdr_both_notes(note, "tried as Protobuf");
	return note;
}

static void
tell_form(const CdrExplaining *explaining)
{
	const CdrNotes *notes = explaining->notes;
	const char	   *content_type = explaining->event->message->content_type;
	bool			is_event = explaining->event->reason == NULL;
	const char	   *data = notes->text.form == CDR_FORM_NONE
							   ? "data that are only kept"
							   : form_name(notes->text.form);
	const char	   *form = NULL;

	if (is_event && notes->envelope.form != CDR_FORM_NONE)
		form = psprintf("structured CloudEvent, %s", data);
	else if (is_event && notes->is_binary)
		form = psprintf("binary CloudEvent, %s", data);
	else if (is_event)
		form = data;
	cdr_tell(explaining, "message", "form", form,
			 content_type == NULL ? NULL
								  : psprintf("content type %s", content_type),
			 form_note(notes, is_event));
}

/* Which mappings were asked, and which one read it. */
static void
tell_mappings(const CdrExplaining *explaining, bool is_trial)
{
	const CdrNotes *notes = explaining->notes;
	const char	   *would = NULL;

	if (is_trial)
		would =
			cdr_mapping_mismatch(notes->use.by, explaining->event->message);
	for (int i = 0; i < notes->nmapped; i++)
	{
		const CdrMappingNote *note = &notes->mapped[i];
		const char			 *name;

		if (note->kind != CDR_OTHER || strcmp(note->column, "mapping") != 0)
			continue;
		name = psprintf("%s, version %d", note->mapping->name,
						note->mapping->version);
		cdr_tell(explaining, "message", "mapping", name, note->from,
				 note->note == NULL ? "reads it"
									: psprintf("does not: %s", note->note));
		if (would != NULL)
			cdr_tell(explaining, "message", "mapping", name, NULL,
					 psprintf("is only tried: by itself it would not be asked "
							  "(%s)",
							  would));
	}
}

static void
tell_reason(const CdrExplaining *explaining)
{
	const CdrReason *reason = explaining->event->reason;

	if (reason != NULL)
		cdr_tell(
			explaining, "message", "no event", reason->message,
			psprintf("SQLSTATE %s", cdr_sqlstate_text(reason->sqlerrcode)),
			reason->detail);
}

/* ------------------------------------------------------------------------
 * The event
 * ------------------------------------------------------------------------
 */

static Origin
event_origin(CdrExplaining *explaining, const char *column, CdrField field)
{
	const CdrSource *source = &explaining->notes->fields[field];

	/* beside a mapping, an envelope or the routing key may have said it */
	if (explaining->event->mapping == NULL || source->place != NULL ||
		source->elsewhere != NULL)
		return native_origin(explaining, field);
	return mapped_origin(explaining, CDR_OTHER, column);
}

static const char *
type_note(const CdrEvent *event)
{
	if (event->type == NULL && event->mapping == NULL)
		return "there is none, nor a routing key";
	if (event->nfacts > 0 || event->mapping != NULL)
		return event->nfacts > 0 ? NULL : "fills no register";
	return "is no type that shapes a call";
}

static void
tell_event_time(CdrExplaining *explaining)
{
	const CdrEvent *event = explaining->event;
	Origin			origin = event_origin(explaining, "time", CDR_FIELD_TIME);
	const char	   *note = NULL;
	const char	   *source = origin.from;

	if (event->mapping != NULL)
		note = event->time_source == CDR_TIME_OF_BODY || origin.said == NULL
				   ? origin.note
				   : cdr_of_said(origin.said, origin.note);
	else if (event->time_unread)
		note = origin.said == NULL
				   ? "the time in the body cannot be read"
				   : cdr_of_said(origin.said, "cannot be read as a time");
	else if (event->time_source == CDR_TIME_OF_BODY)
		note = origin.note;
	else if (origin.from != NULL && origin.said != NULL)
		note = cdr_of_said(origin.said, "says: not set");
	if (event->time_source != CDR_TIME_OF_BODY && origin.from != NULL)
		note = cdr_both_notes(psprintf("not from %s", origin.from), note);
	if (event->time_source == CDR_TIME_OF_PROPERTY)
		source = "property timestamp";
	else if (event->time_source == CDR_TIME_OF_RECEIPT)
		source = "receipt";
	else if (event->time_source == CDR_TIME_OF_FUNCTION)
		source = "a function of this extension";
	cdr_tell_time(explaining, "event", event->time, source, note);
}

/* What identifies it, by a mapping: several values. */
static void
tell_identity(const CdrExplaining *explaining)
{
	const CdrEvent *event = explaining->event;
	const CdrNotes *notes = explaining->notes;
	StringInfoData	id;

	initStringInfo(&id);
	for (int i = 0; i < UUID_LEN; i++)
		appendStringInfo(&id, "%s%02x",
						 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
						 event->id.data[i]);
	cdr_tell(explaining, "event", "event_id", id.data, NULL,
			 event->message->id != NULL ? NULL
			 : memcmp(event->id.data, event->digest.data, UUID_LEN) == 0
				 ? "of the bytes of the message"
			 : event->mapping == NULL ? "of the attributes source and id"
									  : "of values that identify it");
	for (int i = 0; i < notes->nmapped; i++)
	{
		const CdrMappingNote *note = &notes->mapped[i];

		if (note->kind == CDR_OTHER && strcmp(note->column, "identity") == 0)
			cdr_tell(explaining, "event", "identity", note->value, note->from,
					 note->note);
	}
}

static void
tell_event(CdrExplaining *explaining)
{
	const CdrEvent *event = explaining->event;
	const char *call_id = event->call_id[0] == '\0' ? NULL : event->call_id;
	Origin		type = event_origin(explaining, "type", CDR_FIELD_TYPE);
	Origin		call = event_origin(explaining, "call_id", CDR_FIELD_CALL_ID);
	Origin trace = event_origin(explaining, "trace_id", CDR_FIELD_TRACE_ID);
	Origin tenant = event_origin(explaining, "tenant_id", CDR_FIELD_TENANT_ID);

	if (event->type == NULL)
		cdr_tell(explaining, "event", "event_type", NULL, type.from,
				 cdr_both_notes(type.note, type_note(event)));
	else
		tell_value(explaining, "event", "event_type", event->type, &type,
				   type_note(event));
	if (call_id == NULL)
		cdr_tell(explaining, "event", "call_id", NULL, call.from,
				 cdr_both_notes(call.note, "belongs to no call"));
	else
		tell_value(explaining, "event", "call_id", call_id, &call, NULL);
	tell_event_time(explaining);
	tell_value(explaining, "event", "trace_id", event->trace_id, &trace, NULL);
	tell_value(explaining, "event", "tenant_id", event->tenant_id, &tenant,
			   NULL);
	tell_identity(explaining);
}

/* ------------------------------------------------------------------------
 * Facts
 * ------------------------------------------------------------------------
 */

/* What a fact says in a column; NULL: nothing. */
static const char *
value_in(const CdrEventFact *fact, const char *column)
{
	const struct
	{
		const char *column;
		const char *text;
	} texts[] = {
		{"caller_number", fact->caller_number},
		{"callee_number", fact->callee_number},
		{"direction", fact->direction},
		{"trunk", fact->trunk},
		{"user_id", fact->user_id},
		{"tenant_id", fact->tenant_id},
		{"hangup_cause", fact->hangup_cause},
		{"hangup_source", fact->hangup_source},
		{"recording_url", fact->recording_url},
	};

	if (strcmp(column, "contact_id") == 0)
		return fact->has_contact_id ? psprintf(INT64_FORMAT, fact->contact_id)
									: NULL;
	if (strcmp(column, "sip_status") == 0)
		return fact->sip_status != 0 ? psprintf("%d", fact->sip_status) : NULL;
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		if (strcmp(texts[i].column, column) == 0)
			return texts[i].text;
	}
	return NULL;
}

static const char *
derived_note(const char *column)
{
	return strcmp(column, "direction") == 0 ? "by the length of the numbers"
											: "follows from the cause";
}

static void
tell_native_fact(CdrExplaining *explaining, const CdrEventFact *fact)
{
	const char *part = parts[fact->kind];

	cdr_tell_time(explaining, part, fact->time, "the time of the event",
				  rank_note(fact));
	for (int i = 0; i < (int) lengthof(carried); i++)
	{
		const char *value = value_in(fact, carried[i].column);
		Origin		origin;

		if (carried[i].kind != fact->kind)
			continue;
		origin = native_origin(explaining, carried[i].field);
		tell_value(explaining, part, carried[i].column, value, &origin,
				   value != NULL && origin.said == NULL
					   ? derived_note(carried[i].column)
					   : NULL);
	}
}

static void
tell_mapped_fact(const CdrExplaining *explaining, const CdrEventFact *fact)
{
	const char			 *part = parts[fact->kind];
	const CdrMappingNote *time = mapped_note(explaining, fact->kind, "time");

	cdr_tell_time(
		explaining, part, fact->time,
		time == NULL ? "the time of the event" : time->from,
		cdr_both_notes(rank_note(fact), time == NULL ? NULL : time->note));
	for (int i = 0; i < MAP_NCOLUMNS; i++)
	{
		const char *column = cdr_map_columns[i];
		const char *value = value_in(fact, column);
		Origin		origin = mapped_origin(explaining, fact->kind, column);

		if (i == MAP_TENANT_ID && origin.from == NULL && value != NULL)
			continue; /* that of the event, which was told */
		tell_value(explaining, part, column, value, &origin,
				   value != NULL && i == MAP_DIRECTION && origin.said == NULL
					   ? derived_note(column)
					   : NULL);
	}
}

/* The rules of a mapping that set nothing, and why. */
static void
tell_rules(const CdrExplaining *explaining)
{
	const CdrNotes *notes = explaining->notes;

	for (int i = 0; i < notes->nmapped; i++)
	{
		const CdrMappingNote *note = &notes->mapped[i];
		bool				  is_time = strcmp(note->column, "time") == 0;

		if (note->kind == CDR_OTHER ||
			(strcmp(note->column, "rule") != 0 &&
			 (!is_time || note->time != CDR_NO_TIME)))
			continue;
		cdr_tell(explaining, parts[note->kind], note->column, NULL, note->from,
				 note->value != NULL && note->note != NULL
					 ? cdr_of_said(note->value, note->note)
				 : note->note != NULL ? note->note
									  : "is not there");
	}
}

/* What a correction says of a column of its call. */
static void
tell_said(const CdrExplaining *explaining, int column, const CdrSaid *said)
{
	const char	*name = cdr_correctable[column].name;
	CdrExplained row = {.part = "corrected",
						.column = name,
						.time = CDR_NO_TIME,
						.source = psprintf("/correction/%s", name)};

	if (said->kind == CDR_SAID_NOTHING)
		return;
	if (said->kind == CDR_SAID_BY_EVENTS)
	{
		row.source = "columns";
		row.note = "given back to the events";
	}
	else if (said->kind == CDR_SAID_NONE)
		row.note = "there was none";
	else if (cdr_correctable[column].type == CDR_CORRECT_AS_TIME)
		row.time = said->time;
	else if (cdr_correctable[column].type == CDR_CORRECT_AS_NUMBER)
		row.value = psprintf(INT64_FORMAT, said->number);
	else
		row.value = said->text;
	explaining->explainer->take(explaining->explainer->state, &row);
}

static void
tell_all_facts(CdrExplaining *explaining)
{
	const CdrEvent *event = explaining->event;

	tell_rules(explaining);
	for (int i = 0; i < event->nfacts; i++)
	{
		if (event->mapping != NULL)
			tell_mapped_fact(explaining, &event->facts[i]);
		else
			tell_native_fact(explaining, &event->facts[i]);
	}
	for (int i = 0; event->corrected != NULL && i < CDR_NCORRECTABLE; i++)
		tell_said(explaining, i, &event->corrected[i]);
	if (event->message->of_function)
	{
		cdr_notes_read(explaining->notes, "/correction");
		cdr_notes_read(explaining->notes, "/columns");
		cdr_notes_read(explaining->notes, "/endTime");
	}
}

/* ------------------------------------------------------------------------
 * The whole
 * ------------------------------------------------------------------------
 */

void
cdr_explain_begin(CdrNotes *notes, CdrEventOptions *options)
{
	cdr_notes_init(notes);
	options->notes = notes;
	if (options->mappings == NULL)
		return;
	notes->use = *options->mappings;
	notes->use.notes = &notes->taker;
	notes->stamp = notes->use.set->paths.stamp;
	options->mappings = &notes->use;
}

/* Of what is no event, what a mapping found all the same. */
static void
tell_mapped_remains(const CdrExplaining *explaining)
{
	const CdrNotes *notes = explaining->notes;

	for (int i = 0; i < notes->nmapped; i++)
	{
		const CdrMappingNote *note = &notes->mapped[i];

		if (strcmp(note->column, "mapping") != 0)
			cdr_tell(explaining, parts[note->kind], note->column, note->value,
					 note->from, note->note);
	}
}

void
cdr_explain(const CdrEvent *event, CdrNotes *notes, bool is_trial,
			const CdrExplainer *explainer)
{
	CdrExplaining explaining = {
		.event = event, .notes = notes, .explainer = explainer};

	cdr_explain_mapped_places(notes);
	tell_form(&explaining);
	tell_mappings(&explaining, is_trial);
	tell_reason(&explaining);
	if (event->reason != NULL)
	{
		tell_mapped_remains(&explaining);
		return;
	}
	tell_event(&explaining);
	tell_all_facts(&explaining);
	cdr_explain_unread(&explaining);
}
