/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The JSON form of events, both dialects of the wire.
 *
 * The body is read in one pass by the server's own JSON parser, whose
 * callbacks take the few fields that matter straight into slots; no tree is
 * built.  The rules of the json type's -> and ->> operators hold: of a
 * repeated key the last one counts, wherever it stands.
 *
 * What the parser must not see is refused before: not UTF-8, nested too deep
 * (the parser recurses).
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
#include "event/json.h"
#include "event/timestamp.h"

/* Bytes of the parser's words that are kept: they quote the body. */
#define ERROR_DETAIL_MAX 300

/* The scalar fields that are read, whichever dialect names them. */
typedef enum JsonSlot
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
} JsonSlot;

/* The objects that are looked into. */
typedef enum JsonPlace
{
	PLACE_ELSEWHERE,
	PLACE_ROOT,
	PLACE_DIALPLAN_1,
	PLACE_MATCHED_USER_1,
	PLACE_MATCHED_CONTACT_1,
	PLACE_DIALPLAN_2,
	PLACE_MATCHED_USER_2,
	PLACE_MATCHED_CONTACT_2
} JsonPlace;

/*
 * One known key: in which object it stands, and the slot that it fills or the
 * object that it opens.  first_slot to last_slot are the slots below it: a
 * repeated key empties them.
 */
typedef struct JsonKey
{
	JsonPlace	place;
	const char *name;
	JsonSlot	slot;
	JsonPlace	opens;
	JsonSlot	first_slot;
	JsonSlot	last_slot;
} JsonKey;

#define SCALAR(place, name, slot)                      \
	{                                                  \
		place, name, slot, PLACE_ELSEWHERE, slot, slot \
	}
#define OBJECT(place, name, opens, first, last)    \
	{                                              \
		place, name, SLOT_NONE, opens, first, last \
	}

static const JsonKey json_keys[] = {
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

/* Where the parser stands. */
typedef struct JsonReader
{
	char	 *slots[SLOT_COUNT]; /* NULL: not said */
	int		  depth;			 /* open objects and arrays */
	JsonPlace places[CDR_JSON_DEPTH_MAX + 1];
	JsonSlot  pending_slot;	  /* the slot that the next value fills */
	JsonPlace pending_object; /* what the next value is, if it is an object */
	bool	  is_object;	  /* the outermost value is an object */
} JsonReader;

static void
json_enter(JsonReader *reader, JsonPlace place)
{
	reader->places[++reader->depth] = place;
	reader->pending_slot = SLOT_NONE;
	reader->pending_object = PLACE_ELSEWHERE;
}

static CdrJsonResult
json_object_start(void *state)
{
	JsonReader *reader = state;

	if (reader->depth == 0)
	{
		reader->is_object = true;
		json_enter(reader, PLACE_ROOT);
	}
	else
		json_enter(reader, reader->pending_object);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
json_array_start(void *state)
{
	json_enter(state, PLACE_ELSEWHERE);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
json_container_end(void *state)
{
	JsonReader *reader = state;

	reader->depth--;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
json_object_field_start(void *state, char *name, bool isnull)
{
	JsonReader *reader = state;
	JsonPlace	place = reader->places[reader->depth];

	reader->pending_slot = SLOT_NONE;
	reader->pending_object = PLACE_ELSEWHERE;
	if (place == PLACE_ELSEWHERE)
		CDR_JSON_CONTINUE;

	for (int i = 0; i < (int) lengthof(json_keys); i++)
	{
		/* the first letter tells most of them apart, without a call */
		if (json_keys[i].place != place || json_keys[i].name[0] != name[0] ||
			strcmp(json_keys[i].name, name) != 0)
			continue;
		for (int slot = json_keys[i].first_slot;
			 slot <= (int) json_keys[i].last_slot; slot++)
			reader->slots[slot] = NULL;
		reader->pending_slot = json_keys[i].slot;
		reader->pending_object = json_keys[i].opens;
		break;
	}
	CDR_JSON_CONTINUE;
}

/* Strings and numbers fill slots, by their text; an empty one says nothing. */
static CdrJsonResult
json_scalar(void *state, char *token, JsonTokenType type)
{
	JsonReader *reader = state;

	if (reader->pending_slot != SLOT_NONE &&
		(type == JSON_TOKEN_STRING || type == JSON_TOKEN_NUMBER) &&
		token[0] != '\0')
		reader->slots[reader->pending_slot] = token;
	reader->pending_slot = SLOT_NONE;
	CDR_JSON_CONTINUE;
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

/* What must not reach the parser; NULL: nothing. */
static const CdrReason *
json_check(const char *text, size_t length)
{
	if (pg_encoding_verifymbstr(PG_UTF8, text, (int) length) != (int) length)
		return cdr_no_event(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
							pstrdup("event is not valid UTF-8"));
	if (nesting_depth(text, length) > CDR_JSON_DEPTH_MAX)
		return cdr_no_event(
			ERRCODE_STATEMENT_TOO_COMPLEX,
			psprintf("event nests deeper than %d levels", CDR_JSON_DEPTH_MAX));
	return NULL;
}

/* Runs the parser over the text and leaves the fields in *reader. */
static const CdrReason *
json_parse(const char *text, size_t length, JsonReader *reader)
{
	JsonSemAction	   actions = {0};
	JsonLexContext	  *lex;
	JsonParseErrorType result;
	const CdrReason	  *reason = NULL;

	memset(reader, 0, sizeof(JsonReader));
	reader->pending_slot = SLOT_NONE;
	actions.semstate = reader;
	actions.object_start = json_object_start;
	actions.object_end = json_container_end;
	actions.array_start = json_array_start;
	actions.array_end = json_container_end;
	actions.object_field_start = json_object_field_start;
	actions.scalar = json_scalar;

	lex = cdr_json_lexer(text, length);
	result = pg_parse_json(lex, &actions);
	if (result != JSON_SUCCESS)
		reason = cdr_no_event(result == JSON_UNICODE_CODE_POINT_ZERO
								  ? ERRCODE_UNTRANSLATABLE_CHARACTER
								  : ERRCODE_INVALID_TEXT_REPRESENTATION,
							  describe_json_error(result, lex));
	else if (!reader->is_object)
		reason = cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
							  pstrdup("event is not a JSON object"));
	cdr_json_lexer_free(lex);
	return reason;
}

/* The first of two fields that says anything. */
static const char *
either(const JsonReader *reader, JsonSlot first, JsonSlot second)
{
	return reader->slots[first] != NULL ? reader->slots[first]
										: reader->slots[second];
}

/* contactId: an integer, or the text of one; 0: none. */
static int64
contact_id_of(const char *text)
{
	char *end;
	int64 value;

	if (text == NULL || strspn(text, "-0123456789") != strlen(text))
		return 0;
	errno = 0;
	value = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : 0;
}

static const char *
tenant_of(const JsonReader *reader)
{
	static const JsonSlot tenants[] = {
		SLOT_TENANT_ID, SLOT_MATCHED_TENANT_2, SLOT_MATCHED_TENANT_1,
		SLOT_DIALPLAN_TENANT_2, SLOT_DIALPLAN_TENANT_1};

	for (int i = 0; i < (int) lengthof(tenants); i++)
	{
		if (reader->slots[tenants[i]] != NULL)
			return reader->slots[tenants[i]];
	}
	return NULL;
}

static TimestampTz
time_of(const JsonReader *reader)
{
	const char *text = reader->slots[SLOT_TIMESTAMP];
	TimestampTz time;

	if (text == NULL || !cdr_timestamp_parse(text, &time) ||
		time == CDR_GO_ZERO_TIME)
		return CDR_NO_TIME;
	return time;
}

const CdrReason *
cdr_json_read(const char *text, size_t length, CdrFields *fields)
{
	const CdrReason *reason = json_check(text, length);
	JsonReader		 reader;

	if (reason == NULL)
		reason = json_parse(text, length, &reader);
	if (reason != NULL)
		return reason;

	fields->type = reader.slots[SLOT_EVENT_TYPE];
	fields->trace_id = reader.slots[SLOT_TRACE_ID];
	fields->call_id = reader.slots[SLOT_CALL_ID];
	fields->tenant_id = tenant_of(&reader);
	fields->time = time_of(&reader);
	fields->from = either(&reader, SLOT_FROM_URI, SLOT_FROM);
	fields->to = either(&reader, SLOT_TO_URI, SLOT_TO);
	fields->direction = reader.slots[SLOT_DIRECTION];
	fields->matched_user_id =
		either(&reader, SLOT_MATCHED_USER_2, SLOT_MATCHED_USER_1);
	fields->matched_contact_id = contact_id_of(
		either(&reader, SLOT_MATCHED_CONTACT_2, SLOT_MATCHED_CONTACT_1));
	fields->user_id = reader.slots[SLOT_USER_ID];
	fields->contact_id = contact_id_of(reader.slots[SLOT_CONTACT_ID]);
	fields->reason = reader.slots[SLOT_REASON];
	fields->hangup_source = reader.slots[SLOT_HANGUP_SOURCE];
	fields->recording_url = either(&reader, SLOT_RECORDING_URI, SLOT_URI);
	if (fields->recording_url == NULL)
		fields->recording_url = reader.slots[SLOT_PUBLIC_URL];
	return NULL;
}
