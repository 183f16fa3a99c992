/*-------------------------------------------------------------------------
 *
 * given_message.c
 *	  A message that the arguments of an SQL function make up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "event/json_members.h"
#include "event/timestamp.h"
#include "store/given_message.h"

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

/* The property type, of a JSON object of properties; NULL: there is none. */
static const char *
type_among(const char *properties)
{
	CdrJsonMembers members;

	(void) cdr_json_members_read(properties, strlen(properties), &members);
	return cdr_json_member_text(cdr_json_member(&members, "type"));
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
	if (message->type == NULL && message->other_properties != NULL)
		message->type = type_among(message->other_properties);
	return message;
}
