/*-------------------------------------------------------------------------
 *
 * held.c
 *	  Messages that wait, because they alone cannot be stored.
 *
 * Memory.  Each is copied, into a context of its own: so those that were
 * received with it do not stay for its sake.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "base/reason.h"
#include "worker/held.h"

/* Milliseconds until the second try of one, doubled for each that follows. */
#define SECOND_TRY_DELAY 500

static void
forget_all(CdrHeld *held)
{
	dlist_init(&held->messages);
	for (int i = 0; i < CDR_HELD_LEVELS; i++)
		dlist_init(&held->levels[i]);
}

void
cdr_held_init(CdrHeld *held)
{
	memset(held, 0, sizeof(CdrHeld));
	held->context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service held", ALLOCSET_SMALL_SIZES);
	forget_all(held);
}

void
cdr_held_drop(CdrHeld *held)
{
	MemoryContextDeleteChildren(held->context);
	forget_all(held);
	held->count = held->tried = 0;
	held->bytes = 0;
	held->last_tag = held->room_tag = 0;
	held->taking_room = 0;
	held->round = 0;
	held->any_stored = false;
	held->turn = held->pause = held->patient_at = 0;
}

static void *
copy_bytes(const void *bytes, size_t length)
{
	void *copy;

	if (bytes == NULL)
		return NULL;
	copy = palloc(length + 1);
	memcpy(copy, bytes, length);
	((char *) copy)[length] = '\0';
	return copy;
}

static char *
copy_text(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

static const CdrReason *
copy_refusal(const CdrReason *reason)
{
	CdrReason *copy;

	if (reason == NULL)
		return NULL;
	copy = palloc0(sizeof(CdrReason));
	copy->sqlerrcode = reason->sqlerrcode;
	copy->message = pstrdup(reason->message);
	return copy;
}

CdrMessage
cdr_held_copy(const CdrMessage *message)
{
	CdrMessage copy = *message;

	copy.body = copy_bytes(message->body, message->body_length);
	copy.id = copy_bytes(message->id, sizeof(pg_uuid_t));
	copy.routing_key = copy_text(message->routing_key);
	copy.message_id =
		copy_bytes(message->message_id, message->message_id_length);
	copy.properties =
		copy_bytes(message->properties, message->properties_length);
	copy.headers = copy_text(message->headers);
	copy.other_properties = copy_text(message->other_properties);
	copy.content_type = copy_text(message->content_type);
	copy.content_encoding = copy_text(message->content_encoding);
	copy.type = copy_text(message->type);
	copy.exchange = copy_text(message->exchange);
	copy.array = copy_text(message->array);
	copy.place = copy_text(message->place);
	copy.refused = copy_refusal(message->refused);
	return copy;
}

/*
 * Puts a message among those that have failed as often, the last of which is due
 * before it.
 */
static void
put_on_level(CdrHeld *held, CdrHeldMessage *message)
{
	int level = Min(message->failures, CDR_HELD_LEVELS - 1);

	message->due = level == 0 ? 0 : cdr_after(SECOND_TRY_DELAY << (level - 1));
	dlist_push_tail(&held->levels[level], &message->level_node);
}

void
cdr_held_add(CdrHeld *held, const CdrMessage *message, CdrTag tag,
			 uint32 generation, bool was_tried)
{
	MemoryContext context = AllocSetContextCreate(
		held->context, "cdr_service held message", ALLOCSET_SMALL_SIZES);
	MemoryContext	outer = MemoryContextSwitchTo(context);
	CdrHeldMessage *added = palloc(sizeof(CdrHeldMessage));

	added->context = context;
	added->message = cdr_held_copy(message);
	added->tag = tag;
	added->since = cdr_now();
	added->failures = was_tried ? 1 : 0;
	added->timeouts = added->patient_tries = 0;
	dlist_push_tail(&held->messages, &added->node);
	put_on_level(held, added);
	held->count++;
	held->tried += was_tried ? 1 : 0;
	added->size = Max(cdr_message_size(message),
					  MemoryContextMemAllocated(context, false));
	held->bytes += added->size;
	held->generation = generation;
	held->last_tag = Max(held->last_tag, tag.number);
	held->taking_room += tag.number > held->room_tag ? 1 : 0;
	MemoryContextSwitchTo(outer);
}

void
cdr_held_take_no_room(CdrHeld *held)
{
	held->room_tag = held->last_tag;
	held->taking_room = 0;
}

CdrMoment
cdr_held_due(CdrHeld *held)
{
	CdrMoment due = held->round > 0 ? 0 : held->turn;

	if (cdr_held_untried(held) > 0)
		return 0;
	for (int i = 1; i < CDR_HELD_LEVELS && due > 0; i++)
	{
		if (!dlist_is_empty(&held->levels[i]))
			due = Min(due, dlist_head_element(CdrHeldMessage, level_node,
											  &held->levels[i])
							   ->due);
	}
	return Max(due, held->pause);
}

CdrHeldMessage *
cdr_held_next(CdrHeld *held)
{
	CdrMoment now = cdr_now();

	for (int i = 0; i < CDR_HELD_LEVELS; i++)
	{
		CdrHeldMessage *first;

		/* the turn comes before any second try, or many of these would delay it */
		if (i == 1 && (held->round > 0 || held->turn <= now))
			break;
		if (dlist_is_empty(&held->levels[i]))
			continue;
		first =
			dlist_head_element(CdrHeldMessage, level_node, &held->levels[i]);
		if (first->due <= now)
			return first;
	}
	return dlist_head_element(CdrHeldMessage, node, &held->messages);
}

/* In the order of their deliveries. */
static int
compare_deliveries(const void *a, const void *b)
{
	const CdrHeldMessage *x = *(CdrHeldMessage *const *) a;
	const CdrHeldMessage *y = *(CdrHeldMessage *const *) b;

	return x->tag.number < y->tag.number ? -1 : x->tag.number > y->tag.number;
}

void
cdr_held_begin_round(CdrHeld *held)
{
	CdrHeldMessage **messages =
		palloc(Max(held->count, 1) * sizeof(CdrHeldMessage *));
	int		   count = 0;
	dlist_iter iter;

	dlist_foreach(iter, &held->messages)
	{
		messages[count++] = dlist_container(CdrHeldMessage, node, iter.cur);
	}
	qsort(messages, count, sizeof(CdrHeldMessage *), compare_deliveries);
	dlist_init(&held->messages);
	for (int i = 0; i < count; i++)
		dlist_push_tail(&held->messages, &messages[i]->node);
	pfree(messages);
	held->any_stored = false;
	held->pause = 0;
	/* those that were not tried yet need no turn */
	held->round = held->tried;
}

/* One that had failed was tried again. */
static void
end_turn(CdrHeld *held)
{
	held->round = Max(held->round - 1, 0);
	if (held->any_stored && held->round == 0)
		cdr_held_begin_round(held);
}

void
cdr_held_failed(CdrHeld *held, CdrHeldMessage *message)
{
	bool was_tried = message->failures > 0;

	held->tried += was_tried ? 0 : 1;
	message->failures = Min(message->failures + 1, CDR_HELD_LEVELS);
	dlist_delete(&message->level_node);
	put_on_level(held, message);
	dlist_delete(&message->node);
	dlist_push_tail(&held->messages, &message->node);
	if (was_tried)
		end_turn(held);
}

void
cdr_held_stored(CdrHeld *held, CdrHeldMessage *message)
{
	bool was_tried = message->failures > 0;

	dlist_delete(&message->level_node);
	dlist_delete(&message->node);
	held->count--;
	held->tried -= was_tried ? 1 : 0;
	held->bytes -= message->size;
	held->taking_room -= message->tag.number > held->room_tag ? 1 : 0;
	MemoryContextDelete(message->context);
	if (held->count == 0)
		held->turn = held->pause = 0;
	if (!was_tried)
		return;
	held->any_stored = true;
	end_turn(held);
}
