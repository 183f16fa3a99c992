/*-------------------------------------------------------------------------
 *
 * late.c
 *	  Times that batches brought and that have no partition.
 *
 * After a downtime over the turn of an interval, or from an import, come events
 * of times for which no partition was made.  They are stored in the default
 * partition, and noted here, so that no batch waits; the worker makes partitions
 * for them between batches.
 *
 * A publisher may send any time, so there are bounds.  Of the last LATE_DAYS,
 * an interval gets a partition for a single event; any other interval, only when
 * this worker has seen LATE_EVENTS events of it.  And where call_events has
 * CDR_LATE_PARTITIONS_MAX partitions (partition.c), no more are made in this
 * way.  One that cannot be made is tried again, ever more rarely, and keeps no
 * other from being made.
 *
 * Memory: a fixed table of this process.  Where it is full, the interval with
 * the fewest events is forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "store/bounds.h"
#include "store/interval.h"
#include "store/late.h"

#define NOTES_MAX	32
#define LATE_DAYS	400
#define LATE_EVENTS 1000

/* Milliseconds; doubled after each failure. */
#define FIRST_RETRY_DELAY 30000
#define LAST_RETRY_DELAY  600000

/* One interval without a partition. */
typedef struct Note
{
	TimestampTz start;
	int64		events;
	int			failures;	/* in a row, to make its partition */
	CdrMoment	not_before; /* the next try */
} Note;

static Note notes[NOTES_MAX];
static int	nnotes = 0;

static Note *
find_note(TimestampTz start)
{
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].start == start)
			return &notes[i];
	}
	return NULL;
}

static Note *
add_note(TimestampTz start)
{
	Note *fewest = &notes[0];

	for (int i = 1; i < nnotes; i++)
	{
		if (notes[i].events < fewest->events)
			fewest = &notes[i];
	}
	if (nnotes < NOTES_MAX)
		fewest = &notes[nnotes++];
	*fewest = (Note){.start = start};
	return fewest;
}

static void
note_event(TimestampTz start)
{
	Note *note = find_note(start);

	if (note == NULL)
		note = add_note(start);
	note->events++;
}

void
cdr_late_note(Oid log, CdrEvent **events, int count)
{
	CdrStretch stretch = {0}; /* that of the event before */
	bool	   has_partition = true;

	if (cdr_partition_interval == CDR_PARTITION_NONE)
		return;
	for (int i = 0; i < count; i++)
	{
		TimestampTz time = events[i]->time;

		/* one that was refused is in no partition */
		if (events[i]->reason != NULL)
			continue;
		if (time < stretch.from || time >= stretch.until)
			has_partition = cdr_bounds_around(log, time, &stretch);
		if (!has_partition)
			note_event(cdr_interval_around(time).from);
	}
}

static bool
is_due(const Note *note)
{
	TimestampTz now = GetCurrentTimestamp();

	if (cdr_milliseconds_until(note->not_before) > 0)
		return false;
	if (note->events >= LATE_EVENTS)
		return true;
	return note->start <= now && note->start > now - LATE_DAYS * USECS_PER_DAY;
}

bool
cdr_late_next(TimestampTz *time)
{
	/* else they would be due for ever, and the worker never wait */
	if (cdr_partition_interval == CDR_PARTITION_NONE)
		return false;
	for (int i = 0; i < nnotes; i++)
	{
		if (!is_due(&notes[i]))
			continue;
		*time = notes[i].start;
		return true;
	}
	return false;
}

bool
cdr_late_is_due(void)
{
	TimestampTz time;

	return cdr_late_next(&time);
}

void
cdr_late_made(TimestampTz time)
{
	Note *note = find_note(time);

	if (note != NULL)
		*note = notes[--nnotes];
}

void
cdr_late_failed(TimestampTz time)
{
	Note *note = find_note(time);

	if (note == NULL)
		return;
	note->not_before = cdr_after(
		Min(FIRST_RETRY_DELAY << Min(note->failures, 10), LAST_RETRY_DELAY));
	note->failures++;
}

void
cdr_late_hurry(void)
{
	for (int i = 0; i < nnotes; i++)
		notes[i].not_before = 0;
}
