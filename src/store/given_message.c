/*-------------------------------------------------------------------------
 *
 * given_message.c
 *	  A message that the arguments of an SQL function make up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "event/json_members.h"
#include "event/timestamp.h"
#include "store/given_message.h"
#include "store/row_event.h"

CdrMessage *
cdr_message_of_body(const char *body, size_t length)
{
	CdrMessage *message = palloc0(sizeof(CdrMessage));

	message->body = body;
	message->body_length = length;
	message->body_size = length;
	message->property_time = CDR_NO_TIME;
	message->received_at = GetCurrentTimestamp();
	return message;
}

/* The years 0001 to 9999, as in a body; what AMQP can say lies within. */
#define FIRST_TIME \
	((TimestampTz) (1721426 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)
#define END_TIME \
	((TimestampTz) (5373485 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

static TimestampTz
check_time(TimestampTz time)
{
	if (time < FIRST_TIME || time >= END_TIME)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("property_time is out of range"),
						errdetail("Events have times from the year 1 to the "
								  "year 9999.")));
	return cdr_timestamp_if_set(time);
}

/* An argument that is text, or NULL. */
#define TEXT_ARGUMENT(n) \
	(PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n)))

/* An argument that is a JSON object, or NULL. */
static const char *
object_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	const char	  *json = TEXT_ARGUMENT(n);
	CdrJsonMembers members;

	if (json != NULL && !cdr_json_members_read(json, strlen(json), &members))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be a JSON object", name)));
	return json;
}

/* Properties that the message has by themselves. */
static const char *const own[] = {"type", "content_encoding", "exchange"};

/* Is it one of these, and says it something? */
static bool
is_own_property(const CdrJsonMember *member)
{
	for (int i = 0; member->name != NULL && i < (int) lengthof(own); i++)
	{
		if (strcmp(member->name, own[i]) == 0)
			return cdr_json_member_text(member) != NULL;
	}
	return false;
}

/* The others, as a JSON object; NULL: there are none. */
static const char *
all_but_own(const char *properties, const CdrJsonMembers *members)
{
	StringInfoData others;
	int			   count = 0;

	initStringInfo(&others);
	for (int i = 0; i < members->count; i++)
	{
		const CdrJsonMember *member = &members->members[i];

		if (member->name == NULL || is_own_property(member))
			continue;
		appendStringInfoChar(&others, count++ == 0 ? '{' : ',');
		escape_json(&others, member->name);
		appendStringInfoChar(&others, ':');
		appendBinaryStringInfo(&others, member->start,
							   (int) (member->end - member->start));
	}
	if (count == members->count)
		return properties;
	appendStringInfoChar(&others, '}');
	return count > 0 ? others.data : NULL;
}

/* What a member says, unless an argument says it. */
static const char *
or_member(const char *argument, const CdrJsonMembers *members, int i)
{
	return argument != NULL
			   ? argument
			   : cdr_json_member_text(cdr_json_member(members, own[i]));
}

/* The array that it is an element of; NULL: of none. */
static const char *
array_among(const CdrJsonMembers *members)
{
	const CdrJsonMember *each = cdr_json_member(members, "each");
	CdrJsonMembers		 place;

	if (each == NULL ||
		!cdr_json_members_read(each->start, each->end - each->start, &place))
		return NULL;
	return cdr_json_member_text(cdr_json_member(&place, "path"));
}

/*
 * Takes what the properties of an event of the log say of how it was read: so it is
 * read in the same way where somebody records it again, in another database.
 */
static void
take_given_properties(CdrMessage *message)
{
	CdrJsonMembers members;

	(void) cdr_json_members_read(message->other_properties,
								 strlen(message->other_properties), &members);
	message->type = or_member(message->type, &members, 0);
	message->content_encoding =
		or_member(message->content_encoding, &members, 1);
	message->exchange = or_member(message->exchange, &members, 2);
	message->array = array_among(&members);
	message->mapping = cdr_row_mapping(message->other_properties);
	/* a row may have been recorded by another version, as when it comes again */
	message->redelivered = message->mapping != NULL;
	message->other_properties =
		all_but_own(message->other_properties, &members);
}

CdrMessage *
cdr_given_message(FunctionCallInfo fcinfo)
{
	CdrMessage *message;
	bytea	   *body;

	body = PG_GETARG_BYTEA_PP(0);
	message = cdr_message_of_body(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body));
	message->routing_key = TEXT_ARGUMENT(1);
	message->content_type = TEXT_ARGUMENT(2);
	message->content_encoding = TEXT_ARGUMENT(3);
	message->type = TEXT_ARGUMENT(4);
	message->exchange = TEXT_ARGUMENT(5);
	if (!PG_ARGISNULL(6))
	{
		bytea *message_id = PG_GETARG_BYTEA_PP(6);

		message->message_id = VARDATA_ANY(message_id);
		message->message_id_length = VARSIZE_ANY_EXHDR(message_id);
	}
	if (!PG_ARGISNULL(7))
		message->property_time = check_time(PG_GETARG_TIMESTAMPTZ(7));
	message->headers = object_argument(fcinfo, 8, "headers");
	message->other_properties = object_argument(fcinfo, 9, "properties");
	if (message->other_properties != NULL)
		take_given_properties(message);
	return message;
}
