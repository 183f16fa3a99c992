/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  The merge: from the set of a call's events to one call.
 *
 * A call is a handful of registers.  Each holds the fields of one winning
 * event: the earliest or the latest of its kind, by (time, identity), which
 * no two distinct events share.  Taking the winner of two is associative,
 * commutative and idempotent, and so is the whole: any order of events, any
 * split into batches, gives the same call.  Only event_count is a sum; each
 * event is counted once because the log takes it once.
 *
 * The same join, between a stored row and what a batch adds, is made in SQL by
 * store/calls.c, by the register that columns.h gives each column.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/merge.h"

/* Before, same or after, in the order that decides between events. */
static int
compare(TimestampTz time, const pg_uuid_t *id, TimestampTz other_time,
		const pg_uuid_t *other_id)
{
	if (time != other_time)
		return time < other_time ? -1 : 1;
	return memcmp(id->data, other_id->data, UUID_LEN);
}

/* Does the event come before the one in the register? */
static bool
is_earlier(const CdrEvent *event, TimestampTz time, const pg_uuid_t *id)
{
	return time == CDR_NO_TIME ||
		   compare(event->time, &event->id, time, id) < 0;
}

static bool
is_later(const CdrEvent *event, TimestampTz time, const pg_uuid_t *id)
{
	return time == CDR_NO_TIME ||
		   compare(event->time, &event->id, time, id) > 0;
}

/* The types of columns.h whose fields do not begin with 0. */
#define BEGIN_TEXT(name)
#define BEGIN_TIME(name)		call->name = CDR_NO_TIME;
#define BEGIN_TIME_ALWAYS(name) call->name = CDR_NO_TIME;
#define BEGIN_BIGINT(name)
#define BEGIN_COUNT(name)
#define BEGIN_UUID(name)
#define BEGIN(name, type, reg) BEGIN_##type(name)

void
cdr_call_init(CdrCall *call, const char *call_id)
{
	memset(call, 0, sizeof(CdrCall));
	CDR_CALL_COLUMNS(BEGIN)
	call->call_id = call_id;
}

static void
take_user(CdrCall *call, const CdrEvent *event)
{
	call->user_id = event->user_id;
	call->has_contact_id = event->has_contact_id;
	call->contact_id = event->contact_id;
}

static void
add_started(CdrCall *call, const CdrEvent *event)
{
	if (!is_earlier(event, call->start_time, &call->started_event_id))
		return;
	call->start_time = event->time;
	call->started_event_id = event->id;
	call->caller_number = event->caller_number;
	call->callee_number = event->callee_number;
	call->direction = event->direction;
	call->started_tenant_id = event->tenant_id;
	if (call->identified_time == CDR_NO_TIME)
		take_user(call, event);
}

static void
add_ended(CdrCall *call, const CdrEvent *event)
{
	if (!is_earlier(event, call->end_time, &call->ended_event_id))
		return;
	call->end_time = event->time;
	call->ended_event_id = event->id;
	call->hangup_cause = event->hangup_cause;
	call->hangup_source = event->hangup_source;
}

static void
add_identified(CdrCall *call, const CdrEvent *event)
{
	if (!is_later(event, call->identified_time, &call->identified_event_id))
		return;
	call->identified_time = event->time;
	call->identified_event_id = event->id;
	call->identified_tenant_id = event->tenant_id;
	take_user(call, event);
}

static void
add_recording(CdrCall *call, const CdrEvent *event)
{
	if (!is_later(event, call->recording_time, &call->recording_event_id))
		return;
	call->recording_time = event->time;
	call->recording_event_id = event->id;
	call->recording_url = event->recording_url;
}

static void
add_answer(CdrCall *call, const CdrEvent *event)
{
	if (call->answer_time == CDR_NO_TIME || event->time < call->answer_time)
		call->answer_time = event->time;
}

void
cdr_call_add(CdrCall *call, const CdrEvent *event)
{
	if (event->answers)
		add_answer(call, event);
	switch (event->kind)
	{
		case CDR_CALL_STARTED:
			add_started(call, event);
			break;
		case CDR_CALL_ENDED:
			add_ended(call, event);
			break;
		case CDR_USER_IDENTIFIED:
			add_identified(call, event);
			break;
		case CDR_RECORDING_AVAILABLE:
			add_recording(call, event);
			break;
		case CDR_CALL_ANSWERED:
		case CDR_OTHER:
			break;
	}

	call->event_count++;
	if (call->first_event_time == CDR_NO_TIME ||
		event->time < call->first_event_time)
		call->first_event_time = event->time;
	if (call->last_event_time == CDR_NO_TIME ||
		event->time > call->last_event_time)
		call->last_event_time = event->time;
}
