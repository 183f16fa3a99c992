/*-------------------------------------------------------------------------
 *
 * segments.c
 *	  The stretches of a Call-ID that was used again.
 *
 * A start begins another stretch if with it the one before would be a call
 * whose Call-ID was used again: so no stretch is, and a call that is has several.
 * All other events belong to the stretch in whose time they are, but for an end
 * that comes within a second after the start of the next one: clocks differ.
 *
 * Events are taken in one order, whatever the order in which they arrived, and
 * each stretch is merged as any call.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/derive.h"
#include "call/segments.h"

/* The end of a call may seem to be that long after the next one's start. */
#define LATE_END USECS_PER_SEC

void
cdr_segments_init(CdrSegments *segments, const char *call_id)
{
	memset(segments, 0, sizeof(CdrSegments));
	segments->call_id = call_id;
}

static void
begin_segment(CdrSegments *segments, const CdrEvent *event)
{
	CdrSegment *segment = &segments->segments[segments->open++];

	memset(segment, 0, sizeof(CdrSegment));
	segment->first = event->id;
	cdr_call_init(&segment->call, segments->call_id);
	cdr_call_add(&segment->call, event);
}

static bool
take_first(CdrSegments *segments, CdrSegment *done)
{
	*done = segments->segments[0];
	segments->segments[0] = segments->segments[1];
	segments->open--;
	return true;
}

/* Does the event begin another stretch, rather than go on with this one? */
static bool
begins_another(const CdrCall *call, const CdrEvent *event)
{
	CdrCall with;

	if (cdr_event_fact(event, CDR_CALL_STARTED) == NULL)
		return false;
	with = *call;
	cdr_call_add(&with, event);
	return cdr_call_is_reused(&with);
}

/* Is the event the end of the stretch before, which was answered and is up? */
static bool
is_late_end(const CdrCall *before, const CdrEvent *event)
{
	const CdrEventFact *told = cdr_event_fact(event, CDR_CALL_ENDED);
	CdrFact				end;

	return told != NULL && told->rank < CDR_RANK_GUESS &&
		   !cdr_event_ends_branch(event) &&
		   cdr_call_has(before, CDR_REG_ANSWERED) &&
		   !cdr_call_end(before, &end);
}

/* Adds an event while two stretches are open; returns whether the first is
 * complete. */
static bool
add_to_either(CdrSegments *segments, const CdrEvent *event, CdrSegment *done)
{
	CdrSegment *before = &segments->segments[0];
	CdrSegment *last = &segments->segments[1];

	if (event->time - last->call.facts[CDR_REG_STARTED].time > LATE_END)
	{
		cdr_call_add(&last->call, event);
		return take_first(segments, done);
	}
	if (!is_late_end(&before->call, event))
	{
		cdr_call_add(&last->call, event);
		return false;
	}
	cdr_call_add(&before->call, event);
	before->has_late_end = true;
	before->late_end = event->id;
	return false;
}

bool
cdr_segments_add(CdrSegments *segments, const CdrEvent *event,
				 CdrSegment *done)
{
	bool is_done = false;

	if (segments->open == 0)
		begin_segment(segments, event);
	else if (begins_another(&segments->segments[segments->open - 1].call,
							event))
	{
		is_done = segments->open == 2 && take_first(segments, done);
		begin_segment(segments, event);
	}
	else if (segments->open == 1)
		cdr_call_add(&segments->segments[0].call, event);
	else
		is_done = add_to_either(segments, event, done);
	return is_done;
}

bool
cdr_segments_end(CdrSegments *segments, CdrSegment *done)
{
	return segments->open > 0 && take_first(segments, done);
}
