/*-------------------------------------------------------------------------
 *
 * event.c
 *	  Bytes to a typed event: both JSON dialects of the wire.
 *
 * The body is read in one pass by the server's own JSON parser, whose
 * callbacks take the few fields that matter straight into slots; no tree is
 * built.  The rules of the json type's -> and ->> operators hold: of a
 * repeated key the last one counts, wherever it stands.
 *
 * What the parser must not see is refused before: too long, not UTF-8, nested
 * too deep (the parser recurses).  Nothing here throws: a message that is no
 * event is a value, with SQLSTATE and message, and the caller decides.
 *
 * This file knows neither broker nor SPI, and compiles without the server
 * (FRONTEND): so the fuzz target runs exactly this code.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/identity.h"
#include "event/event.h"
#include "event/number.h"
#include "event/timestamp.h"

/* Bytes of the parser's words that are kept: they quote the body. */
#define ERROR_DETAIL_MAX 300

/* 0001-01-01T00:00:00Z, which Go prints for a time that was never set. */
#define GO_ZERO_TIME                                                     \
	((INT64CONST(-719162) - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * \
	 USECS_PER_DAY)

/* The scalar fields that are read, whichever dialect names them. */
typedef enum Slot
{
	SLOT_NONE = -1,
	SLOT_EVENT_TYPE,
	SLOT_TRACE_ID,
	SLOT_CALL_ID,
	SLOT_TIMESTAMP,
	SLOT_FROM,
	SLOT_FROM_URI,
	SLOT_TO,
	SLOT_TO_URI,
	SLOT_REASON,
	SLOT_DIRECTION,
	SLOT_HANGUP_SOURCE,
	SLOT_USER_ID,
	SLOT_CONTACT_ID,
	SLOT_TENANT_ID,
	SLOT_RECORDING_URI,
	SLOT_URI,
	SLOT_PUBLIC_URL,
	SLOT_DIALPLAN_TENANT_1,
	SLOT_MATCHED_USER_1,
	SLOT_MATCHED_TENANT_1,
	SLOT_MATCHED_CONTACT_1,
	SLOT_DIALPLAN_TENANT_2,
	SLOT_MATCHED_USER_2,
	SLOT_MATCHED_TENANT_2,
	SLOT_MATCHED_CONTACT_2,
	SLOT_COUNT
} Slot;

/* The objects that are looked into. */
typedef enum Place
{
	PLACE_ELSEWHERE,
	PLACE_ROOT,
	PLACE_DIALPLAN_1,
	PLACE_MATCHED_USER_1,
	PLACE_MATCHED_CONTACT_1,
	PLACE_DIALPLAN_2,
	PLACE_MATCHED_USER_2,
	PLACE_MATCHED_CONTACT_2
} Place;

/*
 * One known key: in which object it stands, and the slot that it fills or the
 * object that it opens.  first_slot to last_slot are the slots below it: a
 * repeated key empties them.
 */
typedef struct Key
{
	Place		place;
	const char *name;
	Slot		slot;
	Place		opens;
	Slot		first_slot;
	Slot		last_slot;
} Key;

#define SCALAR(place, name, slot)                      \
	{                                                  \
		place, name, slot, PLACE_ELSEWHERE, slot, slot \
	}
#define OBJECT(place, name, opens, first, last)    \
	{                                              \
		place, name, SLOT_NONE, opens, first, last \
	}

static const Key keys[] = {
	SCALAR(PLACE_ROOT, "eventType", SLOT_EVENT_TYPE),
	SCALAR(PLACE_ROOT, "traceId", SLOT_TRACE_ID),
	SCALAR(PLACE_ROOT, "callId", SLOT_CALL_ID),
	SCALAR(PLACE_ROOT, "timestamp", SLOT_TIMESTAMP),
	SCALAR(PLACE_ROOT, "from", SLOT_FROM),
	SCALAR(PLACE_ROOT, "fromUri", SLOT_FROM_URI),
	SCALAR(PLACE_ROOT, "to", SLOT_TO),
	SCALAR(PLACE_ROOT, "toUri", SLOT_TO_URI),
	SCALAR(PLACE_ROOT, "reason", SLOT_REASON),
	SCALAR(PLACE_ROOT, "direction", SLOT_DIRECTION),
	SCALAR(PLACE_ROOT, "hangupSource", SLOT_HANGUP_SOURCE),
	SCALAR(PLACE_ROOT, "userId", SLOT_USER_ID),
	SCALAR(PLACE_ROOT, "contactId", SLOT_CONTACT_ID),
	SCALAR(PLACE_ROOT, "tenantId", SLOT_TENANT_ID),
	SCALAR(PLACE_ROOT, "recordingUri", SLOT_RECORDING_URI),
	SCALAR(PLACE_ROOT, "uri", SLOT_URI),
	SCALAR(PLACE_ROOT, "publicUrl", SLOT_PUBLIC_URL),

	OBJECT(PLACE_ROOT, "dialplan", PLACE_DIALPLAN_1, SLOT_DIALPLAN_TENANT_1,
		   SLOT_MATCHED_CONTACT_1),
	SCALAR(PLACE_DIALPLAN_1, "tenant_id", SLOT_DIALPLAN_TENANT_1),
	OBJECT(PLACE_DIALPLAN_1, "matched_user", PLACE_MATCHED_USER_1,
		   SLOT_MATCHED_USER_1, SLOT_MATCHED_TENANT_1),
	SCALAR(PLACE_MATCHED_USER_1, "id", SLOT_MATCHED_USER_1),
	SCALAR(PLACE_MATCHED_USER_1, "tenant_id", SLOT_MATCHED_TENANT_1),
	OBJECT(PLACE_DIALPLAN_1, "matched_contact", PLACE_MATCHED_CONTACT_1,
		   SLOT_MATCHED_CONTACT_1, SLOT_MATCHED_CONTACT_1),
	SCALAR(PLACE_MATCHED_CONTACT_1, "id", SLOT_MATCHED_CONTACT_1),

	OBJECT(PLACE_ROOT, "dialplanResolution", PLACE_DIALPLAN_2,
		   SLOT_DIALPLAN_TENANT_2, SLOT_MATCHED_CONTACT_2),
	SCALAR(PLACE_DIALPLAN_2, "tenantId", SLOT_DIALPLAN_TENANT_2),
	OBJECT(PLACE_DIALPLAN_2, "matchedUser", PLACE_MATCHED_USER_2,
		   SLOT_MATCHED_USER_2, SLOT_MATCHED_TENANT_2),
	SCALAR(PLACE_MATCHED_USER_2, "id", SLOT_MATCHED_USER_2),
	SCALAR(PLACE_MATCHED_USER_2, "tenantId", SLOT_MATCHED_TENANT_2),
	OBJECT(PLACE_DIALPLAN_2, "matchedContact", PLACE_MATCHED_CONTACT_2,
		   SLOT_MATCHED_CONTACT_2, SLOT_MATCHED_CONTACT_2),
	SCALAR(PLACE_MATCHED_CONTACT_2, "id", SLOT_MATCHED_CONTACT_2),
};

/* The types that shape a call; all others are only logged and counted. */
static const struct
{
	const char	*type;
	CdrEventKind kind;
} kinds[] = {
	{"call.started", CDR_CALL_STARTED},
	{"call.answered", CDR_CALL_ANSWERED},
	{"call.ended", CDR_CALL_ENDED},
	{"user.identified.for_call", CDR_USER_IDENTIFIED},
	{"user.created.for_call", CDR_USER_IDENTIFIED},
	{"call.recording.available", CDR_RECORDING_AVAILABLE},
};

/* Who ended the call, where the cause says so. */
static const struct
{
	const char *cause;
	const char *source;
} hangup_sources[] = {
	{"normal_clearing_by_user", "user"},
	{"busy", "user"},
	{"user_busy", "user"},
	{"terminated_by_request", "system"},
	{"system_terminated", "system"},
	{"workflow_hangup", "system"},
	{"network_failure", "network"},
};

/* Where the parser stands. */
typedef struct Reader
{
	char *slots[SLOT_COUNT]; /* NULL: not said */
	int	  depth;			 /* open objects and arrays */
	Place places[CDR_JSON_DEPTH_MAX + 1];
	Slot  pending_slot;	  /* the slot that the next value fills */
	Place pending_object; /* what the next value is, if it is an object */
	bool  is_object;	  /* the outermost value is an object */
} Reader;

static void
enter(Reader *reader, Place place)
{
	reader->places[++reader->depth] = place;
	reader->pending_slot = SLOT_NONE;
	reader->pending_object = PLACE_ELSEWHERE;
}

static CdrJsonResult
object_start(void *state)
{
	Reader *reader = state;

	if (reader->depth == 0)
	{
		reader->is_object = true;
		enter(reader, PLACE_ROOT);
	}
	else
		enter(reader, reader->pending_object);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
array_start(void *state)
{
	enter(state, PLACE_ELSEWHERE);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
container_end(void *state)
{
	Reader *reader = state;

	reader->depth--;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
object_field_start(void *state, char *name, bool isnull)
{
	Reader *reader = state;
	Place	place = reader->places[reader->depth];

	reader->pending_slot = SLOT_NONE;
	reader->pending_object = PLACE_ELSEWHERE;
	if (place == PLACE_ELSEWHERE)
		CDR_JSON_CONTINUE;

	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		if (keys[i].place != place || strcmp(keys[i].name, name) != 0)
			continue;
		for (int slot = keys[i].first_slot; slot <= (int) keys[i].last_slot;
			 slot++)
			reader->slots[slot] = NULL;
		reader->pending_slot = keys[i].slot;
		reader->pending_object = keys[i].opens;
		break;
	}
	CDR_JSON_CONTINUE;
}

/* Strings and numbers fill slots, by their text; an empty one says nothing. */
static CdrJsonResult
scalar(void *state, char *token, JsonTokenType type)
{
	Reader *reader = state;

	if (reader->pending_slot != SLOT_NONE &&
		(type == JSON_TOKEN_STRING || type == JSON_TOKEN_NUMBER) &&
		token[0] != '\0')
		reader->slots[reader->pending_slot] = token;
	reader->pending_slot = SLOT_NONE;
	CDR_JSON_CONTINUE;
}

static bool
fail(CdrEvent *event, const char *sqlstate, char *error)
{
	event->sqlstate = sqlstate;
	event->error = error;
	return false;
}

/* Why the parser refused the body, without more of it than helps. */
static char *
describe_json_error(JsonParseErrorType result, JsonLexContext *lex)
{
	char  *detail = json_errdetail(result, lex);
	size_t length = strlen(detail);

	if (length > ERROR_DETAIL_MAX)
	{
		/* whole characters only */
		for (length = ERROR_DETAIL_MAX; (detail[length] & 0xC0) == 0x80;)
			length--;
		detail[length] = '\0';
	}
	return psprintf("event is not JSON: %s", detail);
}

/* How deep the brackets of a JSON text nest; for text that is not JSON, any. */
static int
nesting_depth(const char *text, size_t length)
{
	int	 depth = 0;
	int	 deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		char c = text[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			depth++;
			deepest = Max(deepest, depth);
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return deepest;
}

/* What can be told to be no event before it is parsed. */
static bool
check_body(const CdrMessage *message, const CdrEventOptions *options,
		   CdrEvent *event)
{
	if (message->body_size > options->max_event_size)
		return fail(event, "54000",
					psprintf("event of " UINT64_FORMAT " bytes is larger than "
							 "cdr_service.max_event_size (%zu bytes)",
							 message->body_size, options->max_event_size));
	if (pg_encoding_verifymbstr(PG_UTF8, message->body,
								(int) message->body_length) !=
		(int) message->body_length)
		return fail(event, "22021", pstrdup("event is not valid UTF-8"));
	if (nesting_depth(message->body, message->body_length) >
		CDR_JSON_DEPTH_MAX)
		return fail(
			event, "54001",
			psprintf("event nests deeper than %d levels", CDR_JSON_DEPTH_MAX));
	return true;
}

/* Runs the parser over the body and leaves the fields in *reader. */
static bool
read_fields(const CdrMessage *message, Reader *reader, CdrEvent *event)
{
	JsonSemAction	   actions = {0};
	JsonLexContext	  *lex;
	JsonParseErrorType result;

	memset(reader, 0, sizeof(Reader));
	reader->pending_slot = SLOT_NONE;
	actions.semstate = reader;
	actions.object_start = object_start;
	actions.object_end = container_end;
	actions.array_start = array_start;
	actions.array_end = container_end;
	actions.object_field_start = object_field_start;
	actions.scalar = scalar;

	lex = cdr_json_lexer(message->body, message->body_length);
	result = pg_parse_json(lex, &actions);
	if (result != JSON_SUCCESS)
	{
		const char *sqlstate =
			result == JSON_UNICODE_CODE_POINT_ZERO ? "22P05" : "22P02";
		char *error = describe_json_error(result, lex);

		cdr_json_lexer_free(lex);
		return fail(event, sqlstate, error);
	}
	cdr_json_lexer_free(lex);
	if (!reader->is_object)
		return fail(event, "22023", pstrdup("event is not a JSON object"));
	return true;
}

/* The first of two fields that says anything. */
static const char *
either(const Reader *reader, Slot first, Slot second)
{
	return reader->slots[first] != NULL ? reader->slots[first]
										: reader->slots[second];
}

/* contactId: an integer, or the text of one; 0 stands for none. */
static void
read_contact_id(const char *text, CdrEvent *event)
{
	char *end;
	int64 value;

	if (text == NULL || strspn(text, "-0123456789") != strlen(text))
		return;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || value == 0)
		return;
	event->contact_id = value;
	event->has_contact_id = true;
}

static const char *
hangup_source_of(const char *cause)
{
	for (int i = 0; cause != NULL && i < (int) lengthof(hangup_sources); i++)
	{
		if (strcmp(hangup_sources[i].cause, cause) == 0)
			return hangup_sources[i].source;
	}
	return NULL;
}

static void
read_call_started(const Reader *reader, const CdrEventOptions *options,
				  CdrEvent *event)
{
	const char *from = either(reader, SLOT_FROM_URI, SLOT_FROM);
	const char *to = either(reader, SLOT_TO_URI, SLOT_TO);

	if (from != NULL)
		event->caller_number = cdr_number_from_uri(from);
	if (to != NULL)
		event->callee_number = cdr_number_from_uri(to);
	event->direction = reader->slots[SLOT_DIRECTION];
	if (event->direction == NULL)
		event->direction =
			cdr_number_direction(event->caller_number, event->callee_number,
								 options->extension_digits);

	event->user_id = either(reader, SLOT_MATCHED_USER_2, SLOT_MATCHED_USER_1);
	read_contact_id(
		either(reader, SLOT_MATCHED_CONTACT_2, SLOT_MATCHED_CONTACT_1), event);
}

/* What the event's type makes of its fields. */
static void
read_kind(const Reader *reader, const CdrEventOptions *options,
		  CdrEvent *event)
{
	for (int i = 0; event->type != NULL && i < (int) lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].type, event->type) == 0)
			event->kind = kinds[i].kind;
	}

	switch (event->kind)
	{
		case CDR_CALL_STARTED:
			read_call_started(reader, options, event);
			break;
		case CDR_USER_IDENTIFIED:
			event->user_id = reader->slots[SLOT_USER_ID];
			read_contact_id(reader->slots[SLOT_CONTACT_ID], event);
			break;
		case CDR_CALL_ENDED:
			event->hangup_cause = reader->slots[SLOT_REASON];
			event->hangup_source = reader->slots[SLOT_HANGUP_SOURCE];
			if (event->hangup_source == NULL)
				event->hangup_source = hangup_source_of(event->hangup_cause);
			break;
		case CDR_RECORDING_AVAILABLE:
			event->recording_url =
				either(reader, SLOT_RECORDING_URI, SLOT_URI);
			if (event->recording_url == NULL)
				event->recording_url = reader->slots[SLOT_PUBLIC_URL];
			break;
		case CDR_CALL_ANSWERED:
		case CDR_OTHER:
			break;
	}
}

/* What every event has. */
static void
read_common(const Reader *reader, CdrEvent *event)
{
	const CdrMessage *message = event->message;
	const char		 *tenants[] = {reader->slots[SLOT_TENANT_ID],
								   reader->slots[SLOT_MATCHED_TENANT_2],
								   reader->slots[SLOT_MATCHED_TENANT_1],
								   reader->slots[SLOT_DIALPLAN_TENANT_2],
								   reader->slots[SLOT_DIALPLAN_TENANT_1]};
	const char		 *time = reader->slots[SLOT_TIMESTAMP];

	event->type = reader->slots[SLOT_EVENT_TYPE];
	if (event->type == NULL && message->routing_key != NULL &&
		message->routing_key[0] != '\0')
		event->type = message->routing_key;
	event->trace_id = reader->slots[SLOT_TRACE_ID];
	if (reader->slots[SLOT_CALL_ID] != NULL)
		event->call_id = reader->slots[SLOT_CALL_ID];
	for (int i = 0; event->tenant_id == NULL && i < (int) lengthof(tenants);
		 i++)
		event->tenant_id = tenants[i];

	if (time != NULL && cdr_timestamp_parse(time, &event->time) &&
		event->time != GO_ZERO_TIME)
		event->time_is_own = true;
	else if (message->property_time != CDR_NO_TIME)
		event->time = message->property_time;
	else
		event->time = message->received_at;
}

bool
cdr_event_parse(const CdrMessage *message, const CdrEventOptions *options,
				CdrEvent *event)
{
	Reader reader;

	memset(event, 0, sizeof(CdrEvent));
	event->message = message;
	event->call_id = "";
	event->time = message->received_at;
	if (message->id != NULL)
		event->id = *message->id;
	else
		cdr_identity_of(message->message_id, message->message_id_length,
						message->body, message->body_length, &event->id);

	if (!check_body(message, options, event) ||
		!read_fields(message, &reader, event))
		return false;

	CDR_FAULT("parse");
	read_common(&reader, event);
	if (strlen(event->call_id) > CDR_CALL_ID_MAX)
		return fail(event, "22001",
					psprintf("call id of %zu bytes is longer than %d",
							 strlen(event->call_id), CDR_CALL_ID_MAX));
	read_kind(&reader, options, event);
	return true;
}
