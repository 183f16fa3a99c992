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

/* Makes room for one more message. */
static void
reserve_message(CdrUnacked *unacked)
{
	MemoryContext outer;

	if (unacked->count < unacked->capacity)
		return;
	outer = MemoryContextSwitchTo(unacked->context);
	if (unacked->capacity == 0)
	{
		unacked->capacity = cdr_batch_size;
		unacked->messages = palloc(unacked->capacity * sizeof(CdrMessage));
		unacked->tags = palloc(unacked->capacity * sizeof(uint64));
	}
	else
	{
		unacked->capacity *= 2;
		unacked->messages = repalloc_huge(
			unacked->messages, unacked->capacity * sizeof(CdrMessage));
		unacked->tags =
			repalloc_huge(unacked->tags, unacked->capacity * sizeof(uint64));
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
	unacked->tags[unacked->count] = delivery->tag;
	unacked->count++;
	unacked->bytes += cdr_message_size(&delivery->message);
}

CdrReceive
cdr_unacked_receive(CdrUnacked *unacked, CdrBroker *broker, int limit,
					size_t byte_limit)
{
	CdrReceive result = CDR_RECEIVED;

	while (unacked->count < limit && unacked->bytes < byte_limit)
	{
		CdrDelivery delivery;

		reserve_message(unacked);
		result = cdr_broker_receive(broker, unacked->context, &delivery);
		if (result != CDR_RECEIVED)
			break;
		add_delivery(unacked, &delivery);
		CDR_FAULT("after-receive");
	}
	return result;
}

/* How many of those that are left are a batch, by number and by bytes. */
static int
count_batch(const CdrUnacked *unacked, int most)
{
	int	   left = Min(unacked->count - unacked->acknowledged, most);
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

bool
cdr_unacked_acknowledge(CdrUnacked *unacked, CdrBroker *broker, int count,
						bool one_by_one)
{
	const uint64 *tags = unacked->tags + unacked->acknowledged;

	CDR_FAULT("before-ack");
	for (int i = 0; one_by_one && i < count; i++)
	{
		if (!cdr_broker_ack_one(broker, unacked->generation, tags[i]))
			return false;
	}
	if (!one_by_one &&
		!cdr_broker_ack(broker, unacked->generation, tags[count - 1]))
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
			continue;
		unacked->messages[last] = unacked->messages[i];
		unacked->tags[last--] = unacked->tags[i];
	}
	cdr_unacked_pass(unacked, last - first + 1);
}

void
cdr_unacked_pass(CdrUnacked *unacked, int count)
{
	unacked->acknowledged += count;
	if (unacked->acknowledged == unacked->count)
		cdr_unacked_drop(unacked);
}
