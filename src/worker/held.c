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

void
cdr_held_init(CdrHeld *held)
{
	memset(held, 0, sizeof(CdrHeld));
	held->context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service held", ALLOCSET_SMALL_SIZES);
	dlist_init(&held->messages);
}

void
cdr_held_drop(CdrHeld *held)
{
	MemoryContextDeleteChildren(held->context);
	dlist_init(&held->messages);
	held->count = held->tried = 0;
	held->bytes = 0;
	held->last_tag = held->room_tag = 0;
	held->taking_room = 0;
	held->any_failed = false;
	held->round = 0;
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
	added->was_tried = was_tried;
	added->timeouts = 0;
	if (was_tried)
		dlist_push_tail(&held->messages, &added->node);
	else
		dlist_push_head(&held->messages, &added->node);
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

CdrHeldMessage *
cdr_held_first(CdrHeld *held)
{
	return dlist_head_element(CdrHeldMessage, node, &held->messages);
}

void
cdr_held_rotate(CdrHeld *held)
{
	CdrHeldMessage *first = cdr_held_first(held);

	held->tried += first->was_tried ? 0 : 1;
	held->any_failed = true;
	held->round = Max(held->round - 1, 0);
	first->was_tried = true;
	dlist_push_tail(&held->messages, dlist_pop_head_node(&held->messages));
}

/* Those that were not tried yet first, and else the oldest. */
static int
compare_turns(const void *a, const void *b)
{
	const CdrHeldMessage *x = *(CdrHeldMessage *const *) a;
	const CdrHeldMessage *y = *(CdrHeldMessage *const *) b;

	if (x->was_tried != y->was_tried)
		return x->was_tried ? 1 : -1;
	return x->tag.number < y->tag.number ? -1 : x->tag.number > y->tag.number;
}

/* Begins a round with the oldest. */
static void
put_in_order(CdrHeld *held)
{
	CdrHeldMessage **messages =
		palloc(Max(held->count, 1) * sizeof(CdrHeldMessage *));
	int		   count = 0;
	dlist_iter iter;

	dlist_foreach(iter, &held->messages)
	{
		messages[count++] = dlist_container(CdrHeldMessage, node, iter.cur);
	}
	qsort(messages, count, sizeof(CdrHeldMessage *), compare_turns);
	dlist_init(&held->messages);
	for (int i = 0; i < count; i++)
		dlist_push_tail(&held->messages, &messages[i]->node);
	pfree(messages);
	held->any_failed = false;
	held->round = count;
}

void
cdr_held_remove_first(CdrHeld *held)
{
	CdrHeldMessage *first = cdr_held_first(held);

	dlist_delete(&first->node);
	held->count--;
	held->tried -= first->was_tried ? 1 : 0;
	held->bytes -= first->size;
	held->taking_room -= first->tag.number > held->room_tag ? 1 : 0;
	MemoryContextDelete(first->context);
	held->round = Max(held->round - 1, 0);
	if (held->any_failed && held->round == 0)
		put_in_order(held);
}
