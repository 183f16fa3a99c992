/*-------------------------------------------------------------------------
 *
 * protobuf_schema.c
 *	  The messages of the wire: numbers, names and kinds of all known fields.
 *
 * From sentiric-contracts 1f7d560 (2026-05-20), names in Protobuf's camelCase.
 * Only what shows messages to people needs them; the reader (protobuf.c)
 * knows the few numbers that it reads.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/protobuf_schema.h"

#define VALUE(number, name, kind)            \
	{                                        \
		number, name, CDR_PROTO_##kind, NULL \
	}
#define MESSAGE(number, name, kind, members)    \
	{                                           \
		number, name, CDR_PROTO_##kind, members \
	}
#define END_OF_MESSAGE   \
	{                    \
		0, NULL, 0, NULL \
	}

static const CdrProtoMember contact_members[] = {
	VALUE(1, "id", INT32),			 VALUE(2, "userId", STRING),
	VALUE(3, "contactType", STRING), VALUE(4, "contactValue", STRING),
	VALUE(5, "isPrimary", BOOL),	 END_OF_MESSAGE,
};

static const CdrProtoMember user_members[] = {
	VALUE(1, "id", STRING),
	VALUE(2, "name", STRING),
	VALUE(3, "tenantId", STRING),
	VALUE(4, "userType", STRING),
	MESSAGE(5, "contacts", MESSAGES, contact_members),
	VALUE(6, "preferredLanguageCode", STRING),
	END_OF_MESSAGE,
};

/* until contracts 1.9, a message around the map was field 2 of the action */
static const CdrProtoMember old_action_data_members[] = {
	VALUE(1, "data", MAP),
	END_OF_MESSAGE,
};

static const CdrProtoMember action_members[] = {
	VALUE(1, "action", STRING),
	VALUE(2, "type", INT32),
	MESSAGE(2, "actionData", MESSAGE, old_action_data_members),
	VALUE(3, "actionData", MAP),
	END_OF_MESSAGE,
};

static const CdrProtoMember route_members[] = {
	VALUE(1, "phoneNumber", STRING),
	VALUE(2, "tenantId", STRING),
	VALUE(3, "activeDialplanId", STRING),
	VALUE(4, "offHoursDialplanId", STRING),
	VALUE(5, "failsafeDialplanId", STRING),
	VALUE(6, "isMaintenanceMode", BOOL),
	VALUE(7, "defaultLanguageCode", STRING),
	VALUE(8, "scheduleId", STRING),
	VALUE(9, "blockAnonymous", BOOL),
	END_OF_MESSAGE,
};

static const CdrProtoMember dialplan_members[] = {
	VALUE(1, "dialplanId", STRING),
	VALUE(2, "tenantId", STRING),
	MESSAGE(3, "action", MESSAGE, action_members),
	MESSAGE(4, "matchedUser", MESSAGE, user_members),
	MESSAGE(5, "matchedContact", MESSAGE, contact_members),
	MESSAGE(6, "inboundRoute", MESSAGE, route_members),
	END_OF_MESSAGE,
};

static const CdrProtoMember media_members[] = {
	VALUE(1, "callerRtpAddr", STRING),
	VALUE(2, "serverRtpPort", UINT32),
	END_OF_MESSAGE,
};

static const CdrProtoMember started_members[] = {
	VALUE(1, "eventType", STRING),
	VALUE(2, "traceId", STRING),
	VALUE(3, "callId", STRING),
	VALUE(4, "fromUri", STRING),
	VALUE(5, "toUri", STRING),
	VALUE(6, "timestamp", TIME),
	MESSAGE(7, "dialplanResolution", MESSAGE, dialplan_members),
	MESSAGE(8, "mediaInfo", MEDIA, media_members),
	END_OF_MESSAGE,
};

static const CdrProtoMember identified_members[] = {
	VALUE(1, "eventType", STRING),
	VALUE(2, "traceId", STRING),
	VALUE(3, "callId", STRING),
	VALUE(4, "timestamp", TIME),
	MESSAGE(5, "user", MESSAGE, user_members),
	MESSAGE(6, "contact", MESSAGE, contact_members),
	END_OF_MESSAGE,
};

static const CdrProtoMember recording_members[] = {
	VALUE(1, "eventType", STRING),
	VALUE(2, "traceId", STRING),
	VALUE(3, "callId", STRING),
	VALUE(4, "timestamp", TIME),
	VALUE(5, "recordingUri", STRING),
	VALUE(6, "publicUrl", STRING),
	END_OF_MESSAGE,
};

static const CdrProtoMember ended_members[] = {
	VALUE(1, "eventType", STRING), VALUE(2, "traceId", STRING),
	VALUE(3, "callId", STRING),	   VALUE(4, "timestamp", TIME),
	VALUE(5, "reason", STRING),	   END_OF_MESSAGE,
};

static const CdrProtoMember mood_members[] = {
	VALUE(1, "eventType", STRING),
	VALUE(2, "traceId", STRING),
	VALUE(3, "callId", STRING),
	VALUE(4, "timestamp", TIME),
	VALUE(5, "previousMood", STRING),
	VALUE(6, "currentMood", STRING),
	VALUE(7, "arousalShift", FLOAT),
	VALUE(8, "valenceShift", FLOAT),
	VALUE(9, "speakerId", STRING),
	VALUE(10, "speakerVec", FLOATS),
	END_OF_MESSAGE,
};

static const CdrProtoMember cognition_members[] = {
	VALUE(1, "eventType", STRING),
	VALUE(2, "traceId", STRING),
	VALUE(3, "userId", STRING),
	VALUE(4, "timestamp", TIME),
	VALUE(5, "recentFactSummary", STRING),
	VALUE(6, "activeTraits", STRINGS),
	VALUE(7, "dominantResonance", STRING),
	VALUE(8, "arousalScore", FLOAT),
	VALUE(9, "valenceScore", FLOAT),
	VALUE(10, "logicScore", FLOAT),
	END_OF_MESSAGE,
};

static const CdrProtoMember generation_members[] = {
	VALUE(1, "eventType", STRING), VALUE(2, "traceId", STRING),
	VALUE(3, "jobId", STRING),	   VALUE(4, "tenantId", STRING),
	VALUE(5, "mediaType", STRING), VALUE(6, "success", BOOL),
	VALUE(7, "resultUri", STRING), VALUE(8, "errorMessage", STRING),
	VALUE(9, "timestamp", TIME),   END_OF_MESSAGE,
};

static const CdrProtoMember generic_members[] = {
	VALUE(1, "eventType", STRING), VALUE(2, "traceId", STRING),
	VALUE(3, "timestamp", TIME),   VALUE(4, "tenantId", STRING),
	VALUE(5, "payloadJson", JSON), END_OF_MESSAGE,
};

static const CdrProtoMember no_members[] = {END_OF_MESSAGE};

static const struct
{
	const char			 *layout;
	const CdrProtoMember *members;
} schema[] = {
	{"call.started", started_members},
	{"call.ended", ended_members},
	{"call.recording.available", recording_members},
	{"user.identified.for_call", identified_members},
	{"user.created.for_call", identified_members},
	{"acoustic.mood.shifted", mood_members},
	{"cognitive.map.updated", cognition_members},
	{"media.generation.completed", generation_members},
	{"media.generation.failed", generation_members},
	{"", generic_members},
};

const CdrProtoMember *
cdr_proto_members(const char *layout)
{
	for (int i = 0; layout != NULL && i < (int) lengthof(schema); i++)
	{
		if (strcmp(schema[i].layout, layout) == 0)
			return schema[i].members;
	}
	return no_members;
}

static CdrProtoType
wire_type_of(CdrProtoKind kind)
{
	switch (kind)
	{
		case CDR_PROTO_INT32:
		case CDR_PROTO_UINT32:
		case CDR_PROTO_BOOL:
			return CDR_PROTO_VARINT;
		case CDR_PROTO_FLOAT:
			return CDR_PROTO_I32;
		default:
			return CDR_PROTO_LEN;
	}
}

const CdrProtoMember *
cdr_proto_member(const CdrProtoMember *members, const CdrProtoField *field)
{
	for (; members->name != NULL; members++)
	{
		if (members->number == field->number &&
			wire_type_of(members->kind) == field->type)
			return members;
	}
	return NULL;
}
