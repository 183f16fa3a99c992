/*-------------------------------------------------------------------------
 *
 * halving.c
 *	  Which messages of a batch cannot be stored, found by halving it.
 *
 * An error that passes by itself may be the moment's, or that of one message
 * alone: of a locked call, or of a trigger that refuses it in whatever words.
 * Only a try without it can tell.
 *
 * Memory.  All of it lives in a context that the end deletes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "store/event_options.h"
#include "worker/halving.h"
#include "worker/unacked.h"

/* Single events that are tried first. */
#define PROBES 8

/* So many parts without one that is stored: these, and some larger ones. */
#define FAILURES_MAX 30

/* Milliseconds after which what is left waits as it is. */
#define HALVING_TIME 20000

static int64
day_of(const CdrEvent *event)
{
	return event->time / USECS_PER_DAY;
}

/*
 * Events of one day beside each other, for its partition may be locked; of one
 * day those of one call, for its row may be.
 */
static int
compare_days_and_calls(const void *a, const void *b)
{
	const CdrEvent *x = a;
	const CdrEvent *y = b;
	int64			days = day_of(x) - day_of(y);
	int				result;

	if (days != 0)
		return days < 0 ? -1 : 1;
	result = strcmp(x->call_id, y->call_id);
	return result != 0 ? result : memcmp(x->id.data, y->id.data, UUID_LEN);
}

static void
add_part(CdrHalving *halving, int first, int count)
{
	if (count > 0)
		halving->parts[halving->nparts++] = (CdrPart){first, count};
}

/* Cuts a stretch into parts with as many events, and bytes, as a batch has. */
static void
add_stretch(CdrHalving *halving, int first, int end, int max_part)
{
	size_t bytes = 0;

	for (int i = first; i < end; i++)
	{
		if (i - first == max_part || bytes >= CDR_BATCH_BYTES_MAX)
		{
			add_part(halving, first, i - first);
			first = i;
			bytes = 0;
		}
		bytes += cdr_message_size(halving->events[i].message) +
				 halving->events[i].unpacked;
	}
	add_part(halving, first, end - first);
}

/*
 * The parts to begin with: single events, one by chance in each stretch of equal
 * length, and then what lies around them.  Where those that cannot be stored stand
 * everywhere, no large part is without one: it takes a single event to show that
 * others can.
 */
static void
cut_into_parts(CdrHalving *halving, int max_part)
{
	int64 count = halving->count;
	int	  nprobes = Min(PROBES, halving->count);
	int	  probes[PROBES];

	for (int i = 0; i < nprobes; i++)
	{
		probes[i] = (int) pg_prng_uint64_range(&pg_global_prng_state,
											   i * count / nprobes,
											   (i + 1) * count / nprobes - 1);
		add_part(halving, probes[i], 1);
	}
	for (int i = 0; i < nprobes; i++)
	{
		add_stretch(halving, (int) (i * count / nprobes), probes[i], max_part);
		add_stretch(halving, probes[i] + 1, (int) ((i + 1) * count / nprobes),
					max_part);
	}
}

void
cdr_halving_begin(CdrHalving *halving, const CdrMessage *messages,
				  const CdrTag *tags, int count, int max_part)
{
	CdrEventOptions options = cdr_event_options();
	MemoryContext	context = AllocSetContextCreate(
		  CurrentMemoryContext, "cdr_service halving", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	size_t		  unpacked = 0;

	memset(halving, 0, sizeof(CdrHalving));
	halving->messages = palloc(count * sizeof(CdrMessage));
	memcpy(halving->messages, messages, count * sizeof(CdrMessage));
	halving->tags = palloc(count * sizeof(CdrTag));
	memcpy(halving->tags, tags, count * sizeof(CdrTag));
	halving->events =
		MemoryContextAllocHuge(context, count * sizeof(CdrEvent));
	for (int i = 0; i < count; i++)
	{
		(void) cdr_event_parse(&halving->messages[i], &options,
							   &halving->events[i]);
		unpacked += halving->events[i].unpacked;
		if (unpacked >= CDR_BATCH_BYTES_MAX)
			count = i + 1;
	}
	halving->count = count;
	qsort(halving->events, count, sizeof(CdrEvent), compare_days_and_calls);

	/* a part for each node of the tree that it is cut into */
	halving->parts = palloc((2 * (Size) count + 1) * sizeof(CdrPart));
	halving->waits = palloc0(count * sizeof(CdrWait));
	cut_into_parts(halving, max_part);
	halving->deadline = cdr_after(HALVING_TIME);
	/* last: it says that all of this is complete */
	halving->context = context;
	MemoryContextSwitchTo(outer);
}

void
cdr_halving_end(CdrHalving *halving)
{
	if (halving->context != NULL)
		MemoryContextDelete(halving->context);
	memset(halving, 0, sizeof(CdrHalving));
}

const CdrPart *
cdr_halving_part(const CdrHalving *halving)
{
	return halving->next_part < halving->nparts
			   ? &halving->parts[halving->next_part]
			   : NULL;
}

int
cdr_halving_message(const CdrHalving *halving, const CdrEvent *event)
{
	return (int) (event->message - halving->messages);
}

void
cdr_halving_note_pace(CdrHalving *halving, int events, long milliseconds)
{
	double each = (milliseconds + 1.0) / events;

	halving->any_storable = true;
	if (halving->quickest == 0 || each < halving->quickest)
		halving->quickest = each;
}

void
cdr_halving_stored(CdrHalving *halving, long milliseconds)
{
	cdr_halving_note_pace(halving, cdr_halving_part(halving)->count,
						  milliseconds);
	halving->next_part++;
}

/* The next part is over, and its messages are not stored. */
static void
have_part_wait(CdrHalving *halving, CdrWait wait)
{
	CdrPart part = halving->parts[halving->next_part++];

	for (int i = part.first; i < part.first + part.count; i++)
		halving->waits[cdr_halving_message(halving, &halving->events[i])] =
			wait;
}

void
cdr_halving_failed(CdrHalving *halving, bool took_too_long)
{
	CdrPart part = halving->parts[halving->next_part];
	int		half = part.count / 2;

	halving->failures++;
	halving->timeouts += took_too_long ? 1 : 0;
	if (part.count == 1)
	{
		have_part_wait(halving, CDR_WAITS);
		return;
	}
	halving->next_part++;
	add_part(halving, part.first, half);
	add_part(halving, part.first + half, part.count - half);
}

void
cdr_halving_give_up_part(CdrHalving *halving)
{
	halving->failures++;
	have_part_wait(halving, CDR_WAITS_UNTRIED);
}

void
cdr_halving_give_up(CdrHalving *halving)
{
	while (halving->next_part < halving->nparts)
		have_part_wait(halving, CDR_WAITS_UNTRIED);
}

bool
cdr_halving_part_is_of_one_day(const CdrHalving *halving)
{
	const CdrPart  *part = cdr_halving_part(halving);
	const CdrEvent *first = &halving->events[part->first];
	const CdrEvent *last = &halving->events[part->first + part->count - 1];

	return day_of(first) == day_of(last);
}

bool
cdr_halving_is_in_vain(const CdrHalving *halving)
{
	return !halving->any_storable &&
		   (halving->failures >= FAILURES_MAX || halving->timeouts >= PROBES ||
			halving->next_part == halving->nparts ||
			cdr_milliseconds_until(halving->deadline) == 0);
}
