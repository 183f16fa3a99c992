/*-------------------------------------------------------------------------
 *
 * map_events.c
 *	  Mappings over the events of other platforms, and over odd ones.
 *
 *	map_events PRESETS PLATFORMS		each folder of the latter has sample
 *										events, and an index that says how each
 *										travels and which calls come of them
 *	map_events --cases FILE				what becomes of definitions and bodies
 *
 * The events of a call are merged in every order, and each twice, and the row is
 * compared with that of the index, column by column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <dirent.h>
#include <unistd.h>

#include "arena.h"
#include "call/causes.h"
#include "call/derive.h"
#include "event/each.h"
#include "event/json_text.h"
#include "event/json_tree.h"
#include "event/mapping_causes.h"
#include "event/mapping_compile.h"
#include "event/timestamp.h"
#include "files.h"
#include "promise.h"
#include "zones.h"

#define EVENTS_MAX 64
#define FIELDS_MAX 64

/* What was read of a platform. */
static CdrEvent events[EVENTS_MAX];
static int		nevents;
static int		norders;

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

static const char *
text_of_member(const CdrJsonNode *node, const char *name)
{
	const CdrJsonNode *member = cdr_json_tree_member(node, name);

	return member == NULL ? NULL : member->text;
}

/* A property of one event, or of all. */
static const char *
property_of(const CdrJsonNode *index, const CdrJsonNode *item,
			const char *name)
{
	const CdrJsonNode *own = cdr_json_tree_member(item, "properties");

	if (cdr_json_tree_member(own, name) != NULL)
		return text_of_member(own, name);
	return text_of_member(cdr_json_tree_member(index, "properties"), name);
}

static void
read_message(const CdrMappingUse *use, const CdrJsonNode *index,
			 const CdrJsonNode *item, char *body, size_t length)
{
	const char	   *timestamp = property_of(index, item, "timestamp");
	CdrMessage	   *message = palloc0(sizeof(CdrMessage));
	CdrEventOptions options = {
		.max_event_size = 1024 * 1024, .extension_digits = 6, .mappings = use};

	message->body = body;
	message->body_length = length;
	message->body_size = length;
	message->routing_key = property_of(index, item, "routing_key");
	message->exchange = property_of(index, item, "exchange");
	message->content_type = property_of(index, item, "content_type");
	message->property_time = CDR_NO_TIME;
	if (timestamp != NULL)
		PROMISE(cdr_timestamp_read(timestamp, &message->property_time));
	PROMISE(nevents < EVENTS_MAX);
	if (!cdr_event_parse(message, &options, &events[nevents]))
	{
		fprintf(stderr, "no event: %s\n", events[nevents].reason->message);
		exit(1);
	}
	PROMISE(events[nevents].mapping != NULL);
	nevents++;
}

/* ------------------------------------------------------------------------
 * CSV: each line an event, as cdr_ingest_rows() makes it
 * ------------------------------------------------------------------------
 */

/* One field, as the text of a JSON string; moves *p behind it. */
static char *
csv_field(char **p)
{
	char *field = palloc(strlen(*p) * 2 + 1);
	char *out = field;
	bool  quoted = **p == '"';

	if (quoted)
		(*p)++;
	for (; **p != '\0'; (*p)++)
	{
		if (quoted && (*p)[0] == '"' && (*p)[1] == '"')
			(*p)++;
		else if (quoted ? **p == '"' : strchr(",\r\n", **p) != NULL)
			break;
		if (**p == '"' || **p == '\\')
			*out++ = '\\';
		*out++ = **p;
	}
	*out = '\0';
	*p += quoted ? 1 : 0;
	if (**p == ',')
		(*p)++;
	return field;
}

static int
csv_line(char *line, char **fields)
{
	int count = 0;

	while (*line != '\0' && *line != '\r' && *line != '\n')
	{
		PROMISE(count < FIELDS_MAX);
		fields[count++] = csv_field(&line);
	}
	return count;
}

static void
read_csv(const CdrMappingUse *use, const CdrJsonNode *index,
		 const CdrJsonNode *item, char *text)
{
	const CdrJsonNode *column = cdr_json_tree_member(index, "columns");
	char			  *names[FIELDS_MAX];
	int				   nnames = 0;

	for (column = column == NULL ? NULL : column->first; column != NULL;
		 column = column->next)
		names[nnames++] = pstrdup(column->text);
	for (char *line = strtok(text, "\n"); line != NULL;
		 line = strtok(NULL, "\n"))
	{
		char  *fields[FIELDS_MAX];
		int	   count;
		char  *body = palloc(strlen(line) * 2 + 4096);
		size_t length = 0;

		if (nnames == 0)
		{
			nnames = csv_line(line, names);
			continue;
		}
		count = csv_line(line, fields);
		for (int i = 0; i < count && i < nnames; i++)
			length += sprintf(body + length, "%c\"%s\":\"%s\"",
							  i == 0 ? '{' : ',', names[i], fields[i]);
		strcpy(body + length, "}");
		read_message(use, index, item, body, length + 1);
	}
}

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */

static void
differs(const char *call_id, const char *column, const char *want,
		const char *got)
{
	fprintf(stderr, "call %s: %s is %s, not %s\n", call_id, column,
			got == NULL ? "nothing" : got, want == NULL ? "nothing" : want);
	exit(1);
}

static void
check_text(const CdrJsonNode *want, const char *call_id, const char *column,
		   const char *got)
{
	const char *text = text_of_member(want, column);

	if (text == NULL || got == NULL ? text != got : strcmp(text, got) != 0)
		differs(call_id, column, text, got);
}

static void
check_time(const CdrJsonNode *want, const char *call_id, const char *column,
		   TimestampTz got)
{
	const char *text = text_of_member(want, column);
	TimestampTz time = CDR_NO_TIME;

	PROMISE(text == NULL || cdr_timestamp_read(text, &time));
	if (time != got)
		differs(call_id, column, text, psprintf(INT64_FORMAT, got));
}

static void
check_number(const CdrJsonNode *want, const char *call_id, const char *column,
			 int64 got)
{
	check_text(want, call_id, column,
			   got == CDR_NO_SECONDS ? NULL : psprintf(INT64_FORMAT, got));
}

static void
check_call(const CdrCall *call, const CdrJsonNode *want)
{
	const char	  *id = call->call_id;
	StringInfoData state;
	CdrRow		   row;

	initStringInfo(&state);
	cdr_call_derive(call, &state, &row);
	check_time(want, id, "start_time", row.start_time);
	check_time(want, id, "answer_time", row.answer_time);
	check_time(want, id, "end_time", row.end_time);
	check_text(want, id, "caller_number", row.caller_number);
	check_text(want, id, "callee_number", row.callee_number);
	check_text(want, id, "direction", row.direction);
	check_text(want, id, "tenant_id", row.tenant_id);
	check_text(want, id, "user_id", row.user_id);
	check_text(want, id, "hangup_cause", row.hangup_cause);
	check_text(want, id, "hangup_source", row.hangup_source);
	check_text(want, id, "recording_url", row.recording_url);
	check_text(want, id, "disposition", row.disposition);
	check_number(want, id, "duration_seconds", cdr_row_duration(&row));
	check_number(want, id, "billable_seconds", cdr_row_billable(&row));
	check_number(want, id, "event_count", row.event_count);
	pfree(state.data);
	norders++;
}

/* Is the event there already, as the log would know? */
static bool
is_repetition(int event)
{
	for (int i = 0; i < event; i++)
	{
		if (memcmp(&events[i].id, &events[event].id, sizeof(pg_uuid_t)) == 0)
			return true;
	}
	return false;
}

static void
check_orders(const CdrCall *call, uint64 left, const CdrJsonNode *want)
{
	if (left == 0)
		check_call(call, want);
	for (int i = 0; i < nevents; i++)
	{
		CdrCall next = *call;

		if ((left & (UINT64CONST(1) << i)) == 0)
			continue;
		cdr_call_add(&next, &events[i]);
		check_orders(&next, left & ~(UINT64CONST(1) << i), want);
	}
}

/* The calls that come of the events must be those of the index, and no more. */
static int
check_calls(const CdrJsonNode *expect)
{
	int ncalls = 0;

	for (int i = 0; i < nevents; i++)
	{
		PROMISE(cdr_json_tree_member(expect, events[i].call_id) != NULL);
	}
	for (const CdrJsonNode *want = expect->first; want != NULL;
		 want = want->next)
	{
		uint64	set = 0;
		CdrCall call;

		cdr_call_init(&call, want->name);
		for (int i = 0; i < nevents; i++)
		{
			if (strcmp(events[i].call_id, want->name) == 0 &&
				!is_repetition(i))
				set |= UINT64CONST(1) << i;
		}
		PROMISE(set != 0);
		check_orders(&call, set, want);
		ncalls++;
	}
	return ncalls;
}

/* ------------------------------------------------------------------------
 * Platforms
 * ------------------------------------------------------------------------
 */

static CdrJsonNode *
read_tree(const char *path)
{
	size_t			 length;
	char			*text = files_read(path, &length);
	CdrJsonNode		*root;
	const CdrReason *reason = cdr_json_tree_read(text, length, 20, &root);

	if (reason != NULL)
	{
		fprintf(stderr, "%s: %s\n", path, reason->message);
		exit(1);
	}
	free(text);
	return root;
}

/* A preset, with the option that sets the zone of its times. */
static const char *
preset_with(const char *path, const CdrJsonNode *options, size_t *length)
{
	static const char utc[] = "\"zone\": \"UTC\"";
	const char		 *zone = text_of_member(options, "zone");
	char			 *text = files_read(path, length);
	char			 *copy = pnstrdup(text, *length);
	char			 *place = strstr(copy, utc);

	free(text);
	if (zone == NULL)
		return copy;
	PROMISE(place != NULL);
	*place = '\0';
	copy = psprintf("%s\"zone\": \"%s\"%s", copy, zone, place + strlen(utc));
	*length = strlen(copy);
	return copy;
}

/* The name of a preset is that of the folder, or its beginning. */
static const char *
preset_of(const char *presets, const char *name)
{
	char *path = psprintf("%s/%s.json", presets, name);
	char *cut;

	while (access(path, R_OK) != 0)
	{
		cut = strrchr(path, '_');
		PROMISE(cut != NULL);
		strcpy(cut, ".json");
	}
	return path;
}

static void
run_platform(const char *presets, const char *platforms, const char *name)
{
	CdrMappings	 *set = cdr_mappings_begin(&test_zones);
	CdrMappingUse use = {.set = set};
	CdrJsonNode	 *index =
		read_tree(psprintf("%s/%s/index.json", platforms, name));
	const CdrJsonNode *item = cdr_json_tree_member(index, "events")->first;
	size_t			   length;
	const char		  *definition =
		preset_with(preset_of(presets, name),
					cdr_json_tree_member(index, "options"), &length);
	const CdrReason *reason =
		cdr_mappings_add(set, name, 1, definition, length);
	int ncalls;

	if (reason != NULL)
	{
		fprintf(stderr, "%s: %s (%s)\n", name, reason->message,
				reason->detail);
		exit(1);
	}
	cdr_mappings_end(set);
	nevents = norders = 0;
	for (; item != NULL; item = item->next)
	{
		const char *file = text_of_member(item, "file");
		char	   *bytes =
			files_read(psprintf("%s/%s/%s", platforms, name, file), &length);
		char *body = pnstrdup(bytes, length);

		free(bytes);
		if (strstr(file, ".csv") != NULL)
			read_csv(&use, index, item, body);
		else
			read_message(&use, index, item, body, length);
	}
	ncalls = check_calls(cdr_json_tree_member(index, "expect"));
	printf("%s: %d events, %d calls, %d orders\n", name, nevents, ncalls,
		   norders);
	arena_reset();
}

static int
run_platforms(const char *presets, const char *platforms)
{
	struct dirent **entries;
	int				count = scandir(platforms, &entries, NULL, alphasort);
	int				run = 0;

	PROMISE(count > 0);
	for (int i = 0; i < count; i++)
	{
		if (entries[i]->d_name[0] != '.')
		{
			run_platform(presets, platforms, entries[i]->d_name);
			run++;
		}
		free(entries[i]);
	}
	free(entries);
	return run;
}

/* The names of a built-in table say of a call what the numbers say. */
static void
check_causes(const char *table)
{
	const MapTable *causes = cdr_map_causes(table);

	for (int i = 0; i < causes->count; i++)
	{
		const MapEntry *entry = &causes->entries[i];
		const CdrCause *number = cdr_cause_find(entry->value);
		const CdrCause *name = cdr_cause_find(entry->means);

		PROMISE(i == 0 || strcmp(entry[-1].value, entry->value) < 0);
		PROMISE(number != NULL && name != NULL);
		PROMISE(strcmp(number->disposition, name->disposition) == 0);
		PROMISE(number->ends == name->ends);
	}
}

/* ------------------------------------------------------------------------
 * Cases: lines of a word and what it stands for
 * ------------------------------------------------------------------------
 */

static void
print_note(void *state, const CdrMappingNote *note)
{
	printf("    %d %s", note->kind, note->column);
	if (note->value != NULL)
		printf(" \"%s\"", note->value);
	if (note->time != CDR_NO_TIME)
		printf(" " INT64_FORMAT, note->time);
	if (note->from != NULL)
		printf(" from %s", note->from);
	printf("%s%s\n", note->note != NULL ? ": " : "",
		   note->note != NULL ? note->note : "");
}

static void
print_said(const char *name, const char *text)
{
	if (text != NULL)
		printf(" %s=%s", name, text);
}

static void
print_case(const CdrEvent *event)
{
	printf("  %s", event->mapping == NULL ? "native" : event->mapping->name);
	print_said("type", event->type);
	print_said("call", event->call_id);
	print_said("trace", event->trace_id);
	print_said("tenant", event->tenant_id);
	printf(" time=%c" INT64_FORMAT "%s%s\n", event->time_source, event->time,
		   event->time_unread ? " unread" : "",
		   event->needs_properties ? " properties" : "");
	for (int i = 0; i < event->nfacts; i++)
	{
		const CdrEventFact *fact = &event->facts[i];

		printf("  fact %d rank %d " INT64_FORMAT, fact->kind, fact->rank,
			   fact->time);
		print_said("caller", fact->caller_number);
		print_said("callee", fact->callee_number);
		print_said("direction", fact->direction);
		print_said("trunk", fact->trunk);
		print_said("tenant", fact->tenant_id);
		print_said("user", fact->user_id);
		print_said("cause", fact->hangup_cause);
		print_said("source", fact->hangup_source);
		print_said("recording", fact->recording_url);
		if (fact->has_contact_id)
			printf(" contact=" INT64_FORMAT, fact->contact_id);
		if (fact->sip_status != 0)
			printf(" sip=%d", fact->sip_status);
		printf("\n");
	}
}

/* The properties of the messages to come, and the mapping that read them. */
static void
set_property(CdrMappingUse *use, CdrMessage *message, const char *word,
			 const char *rest)
{
	if (strcmp(word, "by") == 0)
		use->by = cdr_mappings_find(use->set, rest, 1);
	else if (strcmp(word, "key") == 0)
		message->routing_key = rest;
	else if (strcmp(word, "exchange") == 0)
		message->exchange = rest;
	else if (strcmp(word, "type") == 0)
		message->content_type = rest;
	else if (strcmp(word, "headers") == 0)
		message->headers = rest;
	else if (strcmp(word, "properties") == 0)
		message->other_properties = rest;
	else
	{
		fprintf(stderr, "what is \"%s\"?\n", word);
		exit(1);
	}
}

static void
run_message(const CdrMessage *message, const CdrEventOptions *options)
{
	CdrEvent event;

	if (cdr_event_parse(message, options, &event))
		print_case(&event);
	else
		printf("  no event: %s %s\n",
			   cdr_sqlstate_text(event.reason->sqlerrcode),
			   event.reason->message);
}

static void
run_body(const CdrMappingUse *use, CdrMessage *message, char *body)
{
	CdrEventOptions options = {
		.max_event_size = 1024 * 1024, .extension_digits = 6, .mappings = use};
	CdrEach each = {0};

	message->body = body;
	message->body_length = message->body_size = strlen(body);
	message->received_at = 7;
	message->property_time = CDR_NO_TIME;
	if (cdr_each_asked(message, &options))
		(void) cdr_each_split(message, &options, false, &each);
	message->refused = each.refused;
	if (each.count == 0)
		run_message(message, &options);
	message->refused = NULL;
	for (int i = 0; i < each.count; i++)
	{
		const CdrMessage *element = &each.messages[i];

		printf("  each %s: %.*s\n", element->place, (int) element->body_length,
			   element->body);
		run_message(element, &options);
	}
}

/* What the parser says differs between versions of the server. */
static bool
says_no_json(const CdrReason *reason)
{
	return reason->detail == NULL ||
		   reason->sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION;
}

static void
run_cases(const char *path)
{
	static const CdrMappingNotes notes = {print_note, NULL};
	size_t						 length;
	char						*file = files_read(path, &length);
	char						*text = pnstrdup(file, length);
	CdrMappingUse				 use = {.notes = &notes};
	CdrMessage					 message = {0};

	free(file);
	for (char *line = strtok(text, "\n"); line != NULL;
		 line = strtok(NULL, "\n"))
	{
		char *rest = strchr(line, ' ');

		if (line[0] == '#' || rest == NULL)
			continue;
		*rest++ = '\0';
		if (strcmp(line, "mapping") == 0 || strcmp(line, "and") == 0)
		{
			const CdrReason *reason;

			if (line[0] == 'm')
			{
				use.set = cdr_mappings_begin(&test_zones);
				use.by = NULL;
				memset(&message, 0, sizeof(message));
			}
			reason = cdr_mappings_add(use.set, line, 1, rest, strlen(rest));
			cdr_mappings_end(use.set);
			printf("%s\n", rest);
			if (reason != NULL)
				printf("  refused: %s %s\n    %s\n    %s\n",
					   cdr_sqlstate_text(reason->sqlerrcode), reason->message,
					   says_no_json(reason) ? "-" : reason->detail,
					   reason->hint == NULL ? "-" : reason->hint);
		}
		else if (strcmp(line, "body") == 0)
		{
			printf(" %s\n", rest);
			run_body(&use, &message, rest);
		}
		else
			set_property(&use, &message, line, rest);
	}
	arena_reset();
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--cases") == 0)
		run_cases(argv[2]);
	else if (argc == 3)
	{
		check_causes("q850");
		check_causes("sip");
		printf("mappings: %d platforms, any order: the calls expected\n",
			   run_platforms(argv[1], argv[2]));
	}
	else
	{
		fprintf(stderr, "usage: map_events PRESETS PLATFORMS\n"
						"       map_events --cases FILE\n");
		return 2;
	}
	return 0;
}
