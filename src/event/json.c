/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The JSON form of events, both dialects of the wire.
 *
 * The body is read in one pass by the server's own JSON parser, with a lexer
 * that looks at escapes but does not resolve them: where a key that matters is
 * met, it is noted where its value stands, and only the values that are wanted
 * in the end are copied, with their escapes resolved.  No tree is built.  So an
 * escape that no text can hold (half a surrogate pair, \u0000) costs the field
 * in which it stands, and nothing else; SQL's type json takes such bodies, too.
 *
 * The rules of that type's -> and ->> operators hold: of a repeated key the
 * last one counts, wherever it stands.
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
#include "event/json_text.h"
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
	SLOT_TRUNK,
	SLOT_SIP_STATUS,
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
	SCALAR(PLACE_ROOT, "trunk", SLOT_TRUNK),
	SCALAR(PLACE_ROOT, "sipStatus", SLOT_SIP_STATUS),
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

/* A key longer than this is none of them, however it is escaped. */
#define KEY_LENGTH_MAX 20

/* A value as it stands in the body; start is NULL where nothing is said. */
typedef struct JsonValue
{
	const char *start; /* of a string, behind its quote */
	const char *end;
	bool		is_text; /* a string or a number, and nothing else */
	bool		is_number;
} JsonValue;

/* Where the parser stands. */
typedef struct JsonReader
{
	const JsonLexContext *lex;
	JsonValue			  slots[SLOT_COUNT];
	int					  depth; /* open objects and arrays */
	JsonPlace			  places[CDR_JSON_DEPTH_MAX + 1];
	JsonPlace pending_object; /* what the next value is, if it is an object */
	bool	  is_object;	  /* the outermost value is an object */
} JsonReader;

/* ------------------------------------------------------------------------
 * Keys
 * ------------------------------------------------------------------------
 */

#define KEY_BUCKETS 128

/* The known keys by their hash, each with the next of the same: number + 1. */
static uint8 first_key[KEY_BUCKETS];
static uint8 next_key[lengthof(json_keys)];

static int
key_bucket(JsonPlace place, const char *name, size_t length)
{
	return (int) ((place * 11 + length * 7 + (unsigned char) name[0] * 3 +
				   (unsigned char) name[length - 1]) %
				  KEY_BUCKETS);
}

/* Once in the life of the process: what it makes never changes. */
static void
make_key_buckets(void)
{
	for (int i = 0; i < (int) lengthof(json_keys); i++)
	{
		const char *name = json_keys[i].name;
		int bucket = key_bucket(json_keys[i].place, name, strlen(name));

		next_key[i] = first_key[bucket];
		first_key[bucket] = (uint8) (i + 1);
	}
}

/* A key as it stands in the body, but for escapes; NULL: not a known one. */
static const JsonKey *
find_plain_key(JsonPlace place, const char *name, size_t length)
{
	static bool made = false;

	if (!made)
		make_key_buckets();
	made = true;
	if (length == 0)
		return NULL;
	for (int i = first_key[key_bucket(place, name, length)]; i > 0;
		 i = next_key[i - 1])
	{
		const JsonKey *key = &json_keys[i - 1];

		if (key->place == place && strncmp(key->name, name, length) == 0 &&
			key->name[length] == '\0')
			return key;
	}
	return NULL;
}

static const JsonKey *
find_key(JsonPlace place, const char *start, const char *end)
{
	const JsonKey *key;
	char		  *name;

	if (end - start > KEY_LENGTH_MAX * 6)
		return NULL;
	if (memchr(start, '\\', end - start) == NULL)
		return find_plain_key(place, start, end - start);
	name = cdr_json_unescape(start, end);
	if (name == NULL)
		return NULL;
	key = find_plain_key(place, name, strlen(name));
	pfree(name);
	return key;
}

/* ------------------------------------------------------------------------
 * The parser's callbacks
 * ------------------------------------------------------------------------
 */

static void
json_enter(JsonReader *reader, JsonPlace place)
{
	reader->places[++reader->depth] = place;
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

/* The value of a known key: the token that the lexer has just read. */
static void
note_value(const JsonLexContext *lex, JsonValue *value)
{
	value->start = lex->token_start;
	value->end = lex->token_terminator;
	value->is_text = true;
	value->is_number = lex->token_type == JSON_TOKEN_NUMBER;
	switch (lex->token_type)
	{
		case JSON_TOKEN_STRING:
			value->start++;
			value->end--;
			/* an empty one says nothing */
			if (value->start == value->end)
				value->start = NULL;
			break;
		case JSON_TOKEN_NUMBER:
			break;
		case JSON_TOKEN_NULL:
			value->start = NULL;
			break;
		default:
			value->is_text = false;
			break;
	}
}

/* The lexer stands at the first token of the value. */
static CdrJsonResult
json_object_field_start(void *state, char *name, bool isnull)
{
	JsonReader	  *reader = state;
	JsonPlace	   place = reader->places[reader->depth];
	const JsonKey *key;
	const char	  *start;
	const char	  *end;

	reader->pending_object = PLACE_ELSEWHERE;
	/* there is no token where the body ends behind a colon */
	if (place == PLACE_ELSEWHERE || reader->lex->token_start == NULL)
		CDR_JSON_CONTINUE;

	cdr_json_key_before(reader->lex->token_start, &start, &end);
	key = find_key(place, start, end);
	if (key == NULL)
		CDR_JSON_CONTINUE;

	for (int slot = key->first_slot; slot <= (int) key->last_slot; slot++)
		reader->slots[slot].start = NULL;
	if (key->slot != SLOT_NONE)
		note_value(reader->lex, &reader->slots[key->slot]);
	reader->pending_object = key->opens;
	CDR_JSON_CONTINUE;
}

/* ------------------------------------------------------------------------
 * The whole body
 * ------------------------------------------------------------------------
 */

/*
 * Why the parser refused the body, without more of it than helps.  What it says
 * repeats words of the body, and is for those only who may read that: the detail
 * of the reason.
 */
static const CdrReason *
no_json(JsonParseErrorType result, JsonLexContext *lex)
{
	char	  *detail = pstrdup(json_errdetail(result, lex));
	size_t	   length = strlen(detail);
	CdrReason *reason;

	if (length > ERROR_DETAIL_MAX)
	{
		/* whole characters only */
		for (length = ERROR_DETAIL_MAX; (detail[length] & 0xC0) == 0x80;)
			length--;
		detail[length] = '\0';
	}
	reason = palloc0(sizeof(CdrReason));
	reason->sqlerrcode = ERRCODE_INVALID_TEXT_REPRESENTATION;
	reason->message = "event is not JSON";
	reason->detail = detail;
	return reason;
}

/* May brackets, in strings too, be enough of them to nest too deep? */
static bool
has_many(const char *text, size_t length, char bracket)
{
	const char *end = text + length;
	int			count = 0;

	while (count <= CDR_JSON_DEPTH_MAX / 2 &&
		   (text = memchr(text, bracket, end - text)) != NULL)
	{
		count++;
		text++;
	}
	return count > CDR_JSON_DEPTH_MAX / 2;
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

const CdrReason *
cdr_json_check(const char *text, size_t length)
{
	if (pg_encoding_verifymbstr(PG_UTF8, text, (int) length) != (int) length)
		return cdr_no_event(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
							pstrdup("event is not valid UTF-8"));
	if ((has_many(text, length, '{') || has_many(text, length, '[')) &&
		nesting_depth(text, length) > CDR_JSON_DEPTH_MAX)
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
	actions.semstate = reader;
	actions.object_start = json_object_start;
	actions.object_end = json_container_end;
	actions.array_start = json_array_start;
	actions.array_end = json_container_end;
	actions.object_field_start = json_object_field_start;

	lex = cdr_json_lexer(text, length, false);
	reader->lex = lex;
	result = pg_parse_json(lex, &actions);
	if (result != JSON_SUCCESS)
		reason = no_json(result, lex);
	else if (!reader->is_object)
		reason = cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
							  pstrdup("event is not a JSON object"));
	cdr_json_lexer_free(lex);
	return reason;
}

/* ------------------------------------------------------------------------
 * Fields
 * ------------------------------------------------------------------------
 */

/* What a slot says; NULL: nothing, or nothing that is text. */
static char *
slot_text(const JsonReader *reader, JsonSlot slot)
{
	const JsonValue *value = &reader->slots[slot];

	if (value->start == NULL || !value->is_text)
		return NULL;
	return cdr_json_unescape(value->start, value->end);
}

/* The first of some slots that says anything. */
static const char *
first_text(const JsonReader *reader, const JsonSlot *slots, int count)
{
	const char *text = NULL;

	for (int i = 0; text == NULL && i < count; i++)
		text = slot_text(reader, slots[i]);
	return text;
}

#define FIRST_TEXT(reader, ...)                         \
	first_text(reader, (const JsonSlot[]){__VA_ARGS__}, \
			   lengthof(((const JsonSlot[]){__VA_ARGS__})))

/*
 * Who calls or is called, by the newer key or by the older.  Of a JSON number
 * its digits are dialled, however it is printed: 4711.0, 4.711e3.
 */
static const char *
party_of(const JsonReader *reader, JsonSlot newer, JsonSlot older)
{
	const char *text = slot_text(reader, newer);
	JsonSlot	slot = text != NULL ? newer : older;
	int64		digits;

	if (text == NULL)
		text = slot_text(reader, older);
	if (text != NULL && reader->slots[slot].is_number &&
		cdr_json_integer(text, &digits))
		return psprintf(INT64_FORMAT, digits);
	return text;
}

/* contactId, sipStatus: an integer, or the text of one; 0: none. */
static int64
integer_of(const char *text)
{
	int64 value;

	return text != NULL && cdr_json_integer(text, &value) ? value : 0;
}

static void
read_time(const JsonReader *reader, CdrFields *fields)
{
	const char *text = slot_text(reader, SLOT_TIMESTAMP);

	fields->time = CDR_NO_TIME;
	if (text == NULL)
		fields->time_unread = reader->slots[SLOT_TIMESTAMP].start != NULL;
	else
		fields->time_unread = !cdr_timestamp_read(text, &fields->time);
}

const CdrReason *
cdr_json_read(const char *text, size_t length, CdrFields *fields)
{
	size_t			 mark = cdr_json_mark(text, length);
	const CdrReason *reason;
	JsonReader		 reader;

	text += mark;
	length -= mark;
	reason = cdr_json_check(text, length);
	if (reason == NULL)
		reason = json_parse(text, length, &reader);
	if (reason != NULL)
		return reason;

	fields->type = slot_text(&reader, SLOT_EVENT_TYPE);
	fields->trace_id = slot_text(&reader, SLOT_TRACE_ID);
	fields->call_id = slot_text(&reader, SLOT_CALL_ID);
	fields->tenant_id = FIRST_TEXT(
		&reader, SLOT_TENANT_ID, SLOT_MATCHED_TENANT_2, SLOT_MATCHED_TENANT_1,
		SLOT_DIALPLAN_TENANT_2, SLOT_DIALPLAN_TENANT_1);
	read_time(&reader, fields);
	fields->from = party_of(&reader, SLOT_FROM_URI, SLOT_FROM);
	fields->to = party_of(&reader, SLOT_TO_URI, SLOT_TO);
	fields->direction = slot_text(&reader, SLOT_DIRECTION);
	fields->matched_user_id =
		FIRST_TEXT(&reader, SLOT_MATCHED_USER_2, SLOT_MATCHED_USER_1);
	fields->matched_contact_id = integer_of(
		FIRST_TEXT(&reader, SLOT_MATCHED_CONTACT_2, SLOT_MATCHED_CONTACT_1));
	fields->user_id = slot_text(&reader, SLOT_USER_ID);
	fields->contact_id = integer_of(slot_text(&reader, SLOT_CONTACT_ID));
	fields->reason = slot_text(&reader, SLOT_REASON);
	fields->hangup_source = slot_text(&reader, SLOT_HANGUP_SOURCE);
	fields->trunk = slot_text(&reader, SLOT_TRUNK);
	fields->sip_status = integer_of(slot_text(&reader, SLOT_SIP_STATUS));
	fields->recording_url =
		FIRST_TEXT(&reader, SLOT_RECORDING_URI, SLOT_URI, SLOT_PUBLIC_URL);
	return NULL;
}
