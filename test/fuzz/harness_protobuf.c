/*-------------------------------------------------------------------------
 *
 * harness_protobuf.c
 *	  Holds what shows Protobuf as JSON to what it promises: it is JSON, it is
 *	  bounded, and where a JSON event has the same keys, it is the same event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "event/protobuf.h"
#include "event/protobuf_json.h"
#include "harness.h"
#include "promise.h"

/* Characters for a byte: long names of short fields, "\\u0001". */
#define SHOWN_FACTOR 16
#define SHOWN_LEAST	 512

static void
check_json(const char *text)
{
	JsonSemAction	nothing = {0};
	JsonLexContext *lex = cdr_json_lexer(text, strlen(text), true);

	PROMISE(pg_encoding_verifymbstr(PG_UTF8, text, (int) strlen(text)) ==
			(int) strlen(text));
	PROMISE(pg_parse_json(lex, &nothing) == JSON_SUCCESS);
	cdr_json_lexer_free(lex);
}

const char *
harness_show(const char *body, size_t length, const char *type)
{
	StringInfoData	 out;
	const CdrReason *reason;

	initStringInfo(&out);
	reason = cdr_protobuf_json(body, length, type, &out);
	PROMISE((reason == NULL) == (out.len > 0));
	if (reason != NULL)
		return NULL;
	PROMISE(strlen(out.data) == out.len);
	PROMISE(out.len <= length * SHOWN_FACTOR + SHOWN_LEAST);
	check_json(out.data);
	return out.data;
}

/* Of these types the JSON event has the keys that Protobuf's JSON has. */
static bool
has_json_twin(const CdrMessage *message)
{
	const char *layout;

	PROMISE(cdr_protobuf_layout(message->body, message->body_length,
								message->routing_key, &layout) == NULL);
	return layout != NULL && (strcmp(layout, "call.started") == 0 ||
							  strcmp(layout, "call.ended") == 0 ||
							  strcmp(layout, "call.recording.available") == 0);
}

void
harness_protobuf(const CdrMessage *message, const CdrEvent *event)
{
	static const CdrEventOptions options = {.max_event_size = SIZE_MAX,
											.extension_digits = 6};
	const char *shown = harness_show(message->body, message->body_length,
									 message->routing_key);
	CdrMessage	twin = *message;
	CdrEvent	twin_event;

	PROMISE(shown != NULL);
	/* what is no text is shown by its digits, and says nothing in an event */
	if (!has_json_twin(message) || strstr(shown, "\"\\\\x") != NULL)
		return;
	twin.body = shown;
	twin.body_length = twin.body_size = strlen(shown);
	twin.content_type = "application/json";
	if (cdr_event_parse(&twin, &options, &twin_event))
		harness_same_facts(&twin_event, event);
	else
		/* groups may nest as deep as they can: an object around them not */
		PROMISE(twin_event.reason->sqlerrcode ==
				ERRCODE_STATEMENT_TOO_COMPLEX);
}
