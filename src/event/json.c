/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The JSON form of events, both dialects of the wire.
 *
 * Where the values of the known keys stand is found in one pass, whatever the
 * dialect (json_paths.c); only those that are wanted are copied.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/json.h"
#include "event/json_paths.h"
#include "event/json_text.h"
#include "event/notes.h"
#include "event/number.h"
#include "event/timestamp.h"

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
	SLOT_CE_SPECVERSION,
	SLOT_CE_TYPE,
	SLOT_CE_SOURCE,
	SLOT_CE_ID,
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
 * object that it opens.
 */
typedef struct JsonKey
{
	JsonPlace	place;
	const char *name;
	JsonSlot	slot;
	JsonPlace	opens;
} JsonKey;

#define SCALAR(place, name, slot)          \
	{                                      \
		place, name, slot, PLACE_ELSEWHERE \
	}
#define OBJECT(place, name, opens)    \
	{                                 \
		place, name, SLOT_NONE, opens \
	}

/* An object stands before what is in it. */
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
	SCALAR(PLACE_ROOT, "specversion", SLOT_CE_SPECVERSION),
	SCALAR(PLACE_ROOT, "type", SLOT_CE_TYPE),
	SCALAR(PLACE_ROOT, "source", SLOT_CE_SOURCE),
	SCALAR(PLACE_ROOT, "id", SLOT_CE_ID),

	OBJECT(PLACE_ROOT, "dialplan", PLACE_DIALPLAN_1),
	SCALAR(PLACE_DIALPLAN_1, "tenant_id", SLOT_DIALPLAN_TENANT_1),
	OBJECT(PLACE_DIALPLAN_1, "matched_user", PLACE_MATCHED_USER_1),
	SCALAR(PLACE_MATCHED_USER_1, "id", SLOT_MATCHED_USER_1),
	SCALAR(PLACE_MATCHED_USER_1, "tenant_id", SLOT_MATCHED_TENANT_1),
	OBJECT(PLACE_DIALPLAN_1, "matched_contact", PLACE_MATCHED_CONTACT_1),
	SCALAR(PLACE_MATCHED_CONTACT_1, "id", SLOT_MATCHED_CONTACT_1),

	OBJECT(PLACE_ROOT, "dialplanResolution", PLACE_DIALPLAN_2),
	SCALAR(PLACE_DIALPLAN_2, "tenantId", SLOT_DIALPLAN_TENANT_2),
	OBJECT(PLACE_DIALPLAN_2, "matchedUser", PLACE_MATCHED_USER_2),
	SCALAR(PLACE_MATCHED_USER_2, "id", SLOT_MATCHED_USER_2),
	SCALAR(PLACE_MATCHED_USER_2, "tenantId", SLOT_MATCHED_TENANT_2),
	OBJECT(PLACE_DIALPLAN_2, "matchedContact", PLACE_MATCHED_CONTACT_2),
	SCALAR(PLACE_MATCHED_CONTACT_2, "id", SLOT_MATCHED_CONTACT_2),
};

/* A power of two. */
#define KEY_BUCKETS 128

#define NPLACES (PLACE_MATCHED_CONTACT_2 + 1)

struct CdrJsonKeys
{
	const CdrJsonPaths *paths;
	int					steps[SLOT_COUNT]; /* of each slot */
};

/* ------------------------------------------------------------------------
 * The keys in a set of paths
 * ------------------------------------------------------------------------
 */

static void
add_keys(CdrJsonPaths *paths, CdrJsonKeys *keys)
{
	int places[NPLACES] = {[PLACE_ROOT] = CDR_JSON_ROOT};

	keys->paths = paths;
	for (int i = 0; i < (int) lengthof(json_keys); i++)
	{
		const JsonKey *key = &json_keys[i];
		int step = cdr_json_paths_add(paths, places[key->place], key->name,
									  strlen(key->name));

		if (key->slot != SLOT_NONE)
			keys->steps[key->slot] = step;
		else
			places[key->opens] = step;
	}
}

const CdrJsonKeys *
cdr_json_keys_in(CdrJsonPaths *paths)
{
	CdrJsonKeys *keys = palloc(sizeof(CdrJsonKeys));

	add_keys(paths, keys);
	return keys;
}

/* A set of these keys alone, made once in the life of the process. */
static CdrJsonPaths *
known_keys(const CdrJsonKeys **known)
{
	static CdrJsonStep	steps[lengthof(json_keys) + 1];
	static uint16		buckets[KEY_BUCKETS];
	static CdrJsonPaths paths;
	static CdrJsonKeys	keys;

	if (paths.steps == NULL)
	{
		cdr_json_paths_begin_in(&paths, steps, lengthof(steps), buckets,
								KEY_BUCKETS - 1);
		add_keys(&paths, &keys);
		cdr_json_paths_end(&paths);
	}
	*known = &keys;
	return &paths;
}

/* ------------------------------------------------------------------------
 * Fields
 * ------------------------------------------------------------------------
 */

/* Has anything been found for a slot?  Most are of other types of events. */
static inline bool
slot_is_met(const CdrJsonKeys *keys, JsonSlot slot)
{
	return cdr_json_paths_met(keys->paths, keys->steps[slot]);
}

/* Notes that a field was looked for there. */
static void
note_slot(const CdrJsonKeys *keys, JsonSlot slot, CdrNotes *notes,
		  CdrField field, const char *text)
{
	const CdrJsonValue *value =
		cdr_json_paths_value(keys->paths, keys->steps[slot]);
	const char *note = NULL;

	if (value == NULL)
		return;
	if (!value->is_text)
		note = "is neither a string nor a number";
	else if (text == NULL)
		note = "holds what no text can";
	cdr_notes_field(notes, field,
					cdr_json_paths_pointer(keys->paths, keys->steps[slot]),
					text, note);
}

static bool
slot_is_string(const CdrJsonKeys *keys, JsonSlot slot)
{
	const CdrJsonValue *value =
		cdr_json_paths_value(keys->paths, keys->steps[slot]);

	return value != NULL && value->is_text && !value->is_number;
}

bool
cdr_json_is_envelope(const CdrJsonKeys *keys)
{
	return slot_is_met(keys, SLOT_CE_SPECVERSION) &&
		   slot_is_string(keys, SLOT_CE_SPECVERSION) &&
		   slot_is_string(keys, SLOT_CE_TYPE) &&
		   slot_is_string(keys, SLOT_CE_SOURCE) &&
		   slot_is_string(keys, SLOT_CE_ID);
}

/* What a slot says that something has been found for. */
static const char *
met_text(const CdrJsonKeys *keys, const CdrFields *fields, CdrField field,
		 JsonSlot slot)
{
	const char *text = cdr_json_paths_text(keys->paths, keys->steps[slot]);

	if (fields->notes != NULL)
		note_slot(keys, slot, fields->notes, field, text);
	return text;
}

/* What a slot says: most fields are not there at all. */
static inline const char *
text_in(const CdrJsonKeys *keys, const CdrFields *fields, CdrField field,
		JsonSlot slot)
{
	return slot_is_met(keys, slot) ? met_text(keys, fields, field, slot)
								   : NULL;
}

/* What the first of some slots says that says anything. */
static inline const char *
first_text(const CdrJsonKeys *keys, const CdrFields *fields, CdrField field,
		   const JsonSlot *slots, int count)
{
	const char *text = NULL;

	for (int i = 0; text == NULL && i < count; i++)
		text = text_in(keys, fields, field, slots[i]);
	return text;
}

#define FIRST_TEXT(keys, fields, field, ...)                         \
	first_text(keys, fields, field, (const JsonSlot[]){__VA_ARGS__}, \
			   lengthof(((const JsonSlot[]){__VA_ARGS__})))

/* Of a JSON number its digits are dialled, however it is printed. */
static const char *
party_in(const CdrJsonKeys *keys, const CdrFields *fields, CdrField field,
		 JsonSlot slot)
{
	const char *text = text_in(keys, fields, field, slot);

	if (text != NULL &&
		cdr_json_paths_value(keys->paths, keys->steps[slot])->is_number)
		return cdr_number_from_token(text);
	return text;
}

/* Who calls or is called, by the newer key or by the older. */
static const char *
party_of(const CdrJsonKeys *keys, const CdrFields *fields, CdrField field,
		 JsonSlot newer, JsonSlot older)
{
	const char *text = party_in(keys, fields, field, newer);

	return text != NULL ? text : party_in(keys, fields, field, older);
}

static void
read_time(const CdrJsonKeys *keys, CdrFields *fields)
{
	const char *text = text_in(keys, fields, CDR_FIELD_TIME, SLOT_TIMESTAMP);

	fields->time = CDR_NO_TIME;
	if (text == NULL)
		fields->time_unread =
			cdr_json_paths_value(keys->paths, keys->steps[SLOT_TIMESTAMP]) !=
			NULL;
	else
		fields->time_unread = !cdr_timestamp_read(text, &fields->time);
}

void
cdr_json_fields(const CdrJsonKeys *keys, CdrFields *fields)
{
	fields->type = text_in(keys, fields, CDR_FIELD_TYPE, SLOT_EVENT_TYPE);
	fields->trace_id =
		text_in(keys, fields, CDR_FIELD_TRACE_ID, SLOT_TRACE_ID);
	fields->call_id = text_in(keys, fields, CDR_FIELD_CALL_ID, SLOT_CALL_ID);
	fields->tenant_id =
		FIRST_TEXT(keys, fields, CDR_FIELD_TENANT_ID, SLOT_TENANT_ID,
				   SLOT_MATCHED_TENANT_2, SLOT_MATCHED_TENANT_1,
				   SLOT_DIALPLAN_TENANT_2, SLOT_DIALPLAN_TENANT_1);
	read_time(keys, fields);
	fields->from =
		party_of(keys, fields, CDR_FIELD_FROM, SLOT_FROM_URI, SLOT_FROM);
	fields->to = party_of(keys, fields, CDR_FIELD_TO, SLOT_TO_URI, SLOT_TO);
	fields->direction =
		text_in(keys, fields, CDR_FIELD_DIRECTION, SLOT_DIRECTION);
	fields->matched_user_id =
		FIRST_TEXT(keys, fields, CDR_FIELD_MATCHED_USER, SLOT_MATCHED_USER_2,
				   SLOT_MATCHED_USER_1);
	fields->matched_contact_id = cdr_json_integer_or_none(
		FIRST_TEXT(keys, fields, CDR_FIELD_MATCHED_CONTACT,
				   SLOT_MATCHED_CONTACT_2, SLOT_MATCHED_CONTACT_1));
	fields->user_id = text_in(keys, fields, CDR_FIELD_USER, SLOT_USER_ID);
	fields->contact_id = cdr_json_integer_or_none(
		text_in(keys, fields, CDR_FIELD_CONTACT, SLOT_CONTACT_ID));
	fields->reason = text_in(keys, fields, CDR_FIELD_REASON, SLOT_REASON);
	fields->hangup_source =
		text_in(keys, fields, CDR_FIELD_HANGUP_SOURCE, SLOT_HANGUP_SOURCE);
	fields->trunk = text_in(keys, fields, CDR_FIELD_TRUNK, SLOT_TRUNK);
	fields->sip_status = cdr_json_integer_or_none(
		text_in(keys, fields, CDR_FIELD_SIP_STATUS, SLOT_SIP_STATUS));
	fields->recording_url =
		FIRST_TEXT(keys, fields, CDR_FIELD_RECORDING, SLOT_RECORDING_URI,
				   SLOT_URI, SLOT_PUBLIC_URL);
	fields->is_cloudevent = cdr_json_is_envelope(keys);
}

const CdrReason *
cdr_json_read(const char *text, size_t length, CdrFields *fields)
{
	size_t			   mark = cdr_json_mark(text, length);
	const CdrJsonKeys *keys;
	CdrJsonPaths	  *paths = known_keys(&keys);
	const CdrReason	  *reason =
		cdr_json_paths_fill(paths, text + mark, length - mark);

	if (reason == NULL)
		cdr_json_fields(keys, fields);
	return reason;
}
