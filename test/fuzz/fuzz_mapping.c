/*-------------------------------------------------------------------------
 *
 * fuzz_mapping.c
 *	  Fuzz target: an input is the definition of a mapping, a newline, and a body.
 *
 * A definition that is refused says where and why.  Under one that is taken, the
 * body is an event or has a reason, whether the mapping is found or named;
 * and what it makes of the body is in bounds, and the same when it reads again.
 * An array is taken apart into elements that stand beside each other in the body, and
 * whose places are JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "mb/pg_wchar.h"

#include "arena.h"
#include "event/each.h"
#include "event/event.h"
#include "event/json_members.h"
#include "event/mapping_compile.h"
#include "harness.h"
#include "promise.h"
#include "zones.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text)
{
	PROMISE(text == NULL ||
			pg_encoding_verifymbstr(PG_UTF8, text, strlen(text)) ==
				(int) strlen(text));
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_fact(const CdrEventFact *fact, const CdrEventFact *again)
{
	PROMISE(fact->kind > CDR_OTHER && fact->kind <= CDR_RECORDING_AVAILABLE);
	PROMISE(fact->rank <= CDR_RANK_GUESS);
	PROMISE(IS_VALID_TIMESTAMP(fact->time));
	PROMISE(fact->has_contact_id == (fact->contact_id != 0));
	PROMISE(fact->sip_status == 0 ||
			(fact->sip_status >= 200 && fact->sip_status <= 699));
	check_text(fact->caller_number);
	check_text(fact->hangup_cause);
	check_text(fact->recording_url);
	PROMISE(fact->kind == again->kind && fact->time == again->time);
	PROMISE(same_text(fact->caller_number, again->caller_number));
	PROMISE(same_text(fact->hangup_cause, again->hangup_cause));
	PROMISE(same_text(fact->user_id, again->user_id));
}

static void
check_message(const CdrMessage *message, const CdrEventOptions *options)
{
	CdrEvent event;
	CdrEvent again;
	bool	 result = cdr_event_parse(message, options, &event);

	PROMISE(cdr_event_parse(message, options, &again) == result);
	harness_explain(message, options, &event);
	if (!result)
	{
		PROMISE(event.reason->message != NULL &&
				event.reason->sqlerrcode != 0);
		return;
	}
	PROMISE(event.nfacts == again.nfacts && event.nfacts <= 6);
	PROMISE(event.nfacts == 0 || event.mapping == NULL ||
			event.call_id[0] != '\0');
	PROMISE(memcmp(&event.id, &again.id, sizeof(pg_uuid_t)) == 0);
	check_text(event.type);
	check_text(event.tenant_id);
	if (event.mapping == NULL)
		return;
	for (int i = 0; i < event.nfacts; i++)
		check_fact(&event.facts[i], &again.facts[i]);
}

static void
check_element(const CdrMessage *element, const char *body, size_t length,
			  const char *behind)
{
	CdrJsonMembers place;

	PROMISE(element->body_length > 0 && element->array != NULL);
	/* of what was packed, the body is elsewhere */
	if (element->body >= body && element->body < body + length)
		PROMISE((behind == NULL || element->body > behind) &&
				element->body + element->body_length < body + length);
	PROMISE(
		cdr_json_members_read(element->place, strlen(element->place), &place));
	PROMISE(same_text(cdr_json_member_text(cdr_json_member(&place, "path")),
					  element->array));
}

static void
check_event(const CdrMappingUse *use, const char *body, size_t length)
{
	CdrEventOptions options = {
		.max_event_size = 1024 * 1024, .extension_digits = 6, .mappings = use};
	CdrMessage message = {.body = body,
						  .body_length = length,
						  .body_size = length,
						  .routing_key = "a.b",
						  .headers = "{\"h\":\"1\"}",
						  .property_time = CDR_NO_TIME};
	CdrEach	   each = {0};

	check_message(&message, &options);
	if (!cdr_each_asked(&message, &options) ||
		!cdr_each_split(&message, &options, false, &each))
		PROMISE(each.count == 0 && each.refused == NULL);
	PROMISE(each.count <= CDR_EACH_MAX);
	PROMISE(each.count == 0 || each.refused == NULL);
	for (int i = 0; i < each.count; i++)
	{
		check_element(&each.messages[i], body, length,
					  i == 0 ? NULL : each.messages[i - 1].body);
		PROMISE(!cdr_each_asked(&each.messages[i], &options));
		check_message(&each.messages[i], &options);
	}
}

static void
take_note(void *state, const CdrMappingNote *note)
{
	PROMISE(note->mapping != NULL && note->column != NULL);
	check_text(note->value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const CdrMappingNotes notes = {take_note, NULL};
	const char					*definition = (const char *) data;
	const char					*end = memchr(definition, '\n', size);
	CdrMappings					*set = cdr_mappings_begin(&test_zones);
	CdrMappingUse				 use = {.set = set};
	const CdrReason				*reason;
	size_t						 length;

	if (end == NULL)
		end = definition + size;
	length = size - (end - definition);
	reason = cdr_mappings_add(set, "m", 1, definition, end - definition);
	cdr_mappings_end(set);
	if (reason != NULL)
		PROMISE(reason->message != NULL && reason->sqlerrcode != 0);
	else
	{
		check_event(&use, end, length);
		use.notes = &notes;
		use.by = cdr_mappings_find(set, "m", 1);
		PROMISE(use.by != NULL);
		check_event(&use, end, length);
	}
	arena_reset();
	return 0;
}
