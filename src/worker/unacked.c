/*-------------------------------------------------------------------------
 *
 * unacked.c
 *	  The messages that were received and are not acknowledged yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/guc.h"
#include "event/each.h"
#include "store/event_options.h"
#include "worker/unacked.h"

void
cdr_unacked_init(CdrUnacked *unacked)
{
	memset(unacked, 0, sizeof(CdrUnacked));
	unacked->context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service batch", ALLOCSET_DEFAULT_SIZES);
}

void
cdr_unacked_drop(CdrUnacked *unacked)
{
	MemoryContext context = unacked->context;

	MemoryContextReset(context);
	memset(unacked, 0, sizeof(CdrUnacked));
	unacked->context = context;
}

/* Makes room for so many more messages. */
static void
reserve_messages(CdrUnacked *unacked, int more)
{
	MemoryContext outer;
	int			  capacity = unacked->capacity;

	if (unacked->count + more <= capacity)
		return;
	outer = MemoryContextSwitchTo(unacked->context);
	if (capacity == 0)
	{
		unacked->capacity = Max(cdr_batch_size, more);
		unacked->messages = palloc(unacked->capacity * sizeof(CdrMessage));
		unacked->tags = palloc(unacked->capacity * sizeof(CdrTag));
	}
	else
	{
		capacity = Max(2 * capacity, unacked->count + more);
		unacked->messages =
			repalloc_huge(unacked->messages, capacity * sizeof(CdrMessage));
		unacked->tags =
			repalloc_huge(unacked->tags, capacity * sizeof(CdrTag));
		unacked->capacity = capacity;
	}
	MemoryContextSwitchTo(outer);
}

static void
add_delivery(CdrUnacked *unacked, const CdrDelivery *delivery)
{
	if (unacked->count == 0)
		unacked->first_at = cdr_now();
	unacked->generation = delivery->generation;
	unacked->messages[unacked->count] = delivery->message;
	unacked->tags[unacked->count] = (CdrTag){.number = delivery->tag};
	unacked->count++;
	unacked->received++;
	unacked->bytes += cdr_message_size(&delivery->message);
}

CdrReceive
cdr_unacked_receive(CdrUnacked *unacked, CdrBroker *broker, int limit,
					size_t byte_limit)
{
	CdrReceive result = CDR_RECEIVED;

	while (unacked->received < limit && unacked->bytes < byte_limit)
	{
		CdrDelivery delivery;

		reserve_messages(unacked, 1);
		result = cdr_broker_receive(broker, unacked->context, &delivery);
		if (result != CDR_RECEIVED)
			break;
		add_delivery(unacked, &delivery);
		CDR_FAULT("after-receive");
	}
	return result;
}

/* ------------------------------------------------------------------------
 * Arrays of events
 * ------------------------------------------------------------------------
 */

/* A delivery that is taken apart. */
typedef struct Apart
{
	int		  at; /* its place among the messages */
	CdrEach	  each;
	CdrShare *share;
} Apart;

/* The reason, for as long as the message is there. */
static const CdrReason *
keep_refusal(MemoryContext context, const CdrReason *reason)
{
	CdrReason *kept = MemoryContextAlloc(context, sizeof(CdrReason));

	*kept =
		(CdrReason){.sqlerrcode = reason->sqlerrcode,
					.message = MemoryContextStrdup(context, reason->message)};
	return kept;
}

/* Takes the message there apart, if that may be. */
static bool
take_one_apart(CdrUnacked *unacked, int at, const CdrEventOptions *options,
			   Apart *apart)
{
	CdrMessage	 *message = &unacked->messages[at];
	CdrEach		 *each = &apart->each;
	MemoryContext context;
	MemoryContext outer;

	if (!cdr_each_asked(message, options))
		return false;
	context = cdr_share_context();
	outer = MemoryContextSwitchTo(context);
	(void) cdr_each_split(message, options, false, each);
	MemoryContextSwitchTo(outer);
	if (each->refused != NULL)
		message->refused = keep_refusal(unacked->context, each->refused);
	if (each->count == 0)
	{
		MemoryContextDelete(context);
		return false;
	}
	apart->at = at;
	apart->share = cdr_share_begin(each->count, context,
								   each->size + ALLOCSET_SMALL_INITSIZE);
	return true;
}

/* Puts messages in the place of those that were taken apart. */
static void
put_in_place(CdrUnacked *unacked, const Apart *aparts, int naparts)
{
	int more = 0;
	int to;

	for (int i = 0; i < naparts; i++)
		more += aparts[i].each.count - 1;
	reserve_messages(unacked, more);
	to = unacked->count + more;
	for (int from = unacked->count - 1; naparts > 0; from--)
	{
		const Apart *apart = &aparts[naparts - 1];
		uint64		 number = unacked->tags[from].number;

		if (from != apart->at)
		{
			to--;
			unacked->messages[to] = unacked->messages[from];
			unacked->tags[to] = unacked->tags[from];
			continue;
		}
		to -= apart->each.count;
		memcpy(&unacked->messages[to], apart->each.messages,
			   apart->each.count * sizeof(CdrMessage));
		pfree(apart->each.messages);
		for (int i = 0; i < apart->each.count; i++)
			unacked->tags[to + i] = (CdrTag){number, apart->share};
		naparts--;
	}
	unacked->count += more;
	unacked->whole += more;
}

/* So that arrays, one after the other, take no more and more room. */
static void
close_up(CdrUnacked *unacked)
{
	int first = unacked->acknowledged;

	unacked->count -= first;
	unacked->whole -= first;
	unacked->acknowledged = 0;
	memmove(unacked->messages, unacked->messages + first,
			unacked->count * sizeof(CdrMessage));
	memmove(unacked->tags, unacked->tags + first,
			unacked->count * sizeof(CdrTag));
}

void
cdr_unacked_take_apart(CdrUnacked *unacked, int most)
{
	CdrEventOptions options = cdr_event_options();
	int64			ready = cdr_unacked_ready(unacked);
	int				room = 16;
	int				naparts = 0;
	Apart		   *aparts = palloc(room * sizeof(Apart));

	while (unacked->whole < unacked->count &&
		   (ready == 0 ||
			(ready < most && cdr_shares_size() < CDR_BATCH_BYTES_MAX)))
	{
		if (naparts == room)
		{
			room *= 2;
			aparts = repalloc(aparts, room * sizeof(Apart));
		}
		if (take_one_apart(unacked, unacked->whole, &options,
						   &aparts[naparts]))
			ready += aparts[naparts++].each.count;
		else
			ready++;
		unacked->whole++;
	}
	if (naparts > 0)
	{
		int first = unacked->acknowledged;

		close_up(unacked);
		for (int i = 0; i < naparts; i++)
			aparts[i].at -= first;
		put_in_place(unacked, aparts, naparts);
	}
	pfree(aparts);
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------
 */

/* How many of those that are left are a batch, by number and by bytes. */
static int
count_batch(const CdrUnacked *unacked, int most)
{
	int	   left = Min(cdr_unacked_ready(unacked), most);
	int	   count = 0;
	size_t bytes = 0;

	while (count < left && bytes < CDR_BATCH_BYTES_MAX)
		bytes += cdr_message_size(
			&unacked->messages[unacked->acknowledged + count++]);
	return count;
}

CdrEvent *
cdr_unacked_parse(const CdrUnacked *unacked, int most, int *count)
{
	CdrEventOptions options = cdr_event_options();
	size_t			unpacked = 0;
	CdrEvent	   *events;

	*count = count_batch(unacked, most);
	events = palloc(*count * sizeof(CdrEvent));
	for (int i = 0; i < *count; i++)
	{
		(void) cdr_event_parse(&unacked->messages[unacked->acknowledged + i],
							   &options, &events[i]);
		unpacked += events[i].unpacked;
		/* of what was compressed there may be a thousand times as much */
		if (unpacked >= CDR_BATCH_BYTES_MAX)
			*count = i + 1;
	}
	return events;
}

/* The first so many of those that are left are no more of its business. */
static void
move_on(CdrUnacked *unacked, int count)
{
	unacked->acknowledged += count;
	if (unacked->acknowledged == unacked->count)
		cdr_unacked_drop(unacked);
}

bool
cdr_unacked_acknowledge(CdrUnacked *unacked, CdrBroker *broker, int count,
						bool one_by_one)
{
	const CdrTag *tags = unacked->tags + unacked->acknowledged;
	const CdrTag *last = NULL; /* of which nothing is left */

	CDR_FAULT("before-ack");
	for (int i = 0; i < count; i++)
	{
		if (!cdr_tag_stored(&tags[i]))
			continue;
		last = &tags[i];
		if (one_by_one &&
			!cdr_broker_ack_one(broker, unacked->generation, last->number))
			return false;
	}
	if (!one_by_one && last != NULL &&
		!cdr_broker_ack(broker, unacked->generation, last->number))
		return false;
	CDR_FAULT("after-ack");
	cdr_unacked_pass(unacked, count);
	return true;
}

void
cdr_unacked_keep(CdrUnacked *unacked, int count, const bool *keep)
{
	int first = unacked->acknowledged;
	int last = first + count - 1;

	/* from the end, so that what came behind need not move */
	for (int i = last; i >= first; i--)
	{
		if (!keep[i - first])
		{
			cdr_tag_passed(&unacked->tags[i]);
			continue;
		}
		unacked->messages[last] = unacked->messages[i];
		unacked->tags[last--] = unacked->tags[i];
	}
	move_on(unacked, last - first + 1);
}

void
cdr_unacked_pass(CdrUnacked *unacked, int count)
{
	for (int i = 0; i < count; i++)
		cdr_tag_passed(&unacked->tags[unacked->acknowledged + i]);
	move_on(unacked, count);
}
