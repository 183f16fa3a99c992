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
 * way.
 *
 * Memory: a fixed table of this process.  Where it is full, the interval with
 * the fewest events is forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/guc.h"
#include "store/bounds.h"
#include "store/interval.h"
#include "store/late.h"

#define NOTES_MAX	32
#define LATE_DAYS	400
#define LATE_EVENTS 1000

/* One interval without a partition. */
typedef struct Note
{
	TimestampTz start;
	int64		events;
} Note;

static Note notes[NOTES_MAX];
static int	nnotes = 0;

static void
note_interval(TimestampTz start, int64 events)
{
	Note *fewest = &notes[0];

	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].start == start)
		{
			notes[i].events += events;
			return;
		}
		if (notes[i].events < fewest->events)
			fewest = &notes[i];
	}
	if (nnotes < NOTES_MAX)
		fewest = &notes[nnotes++];
	*fewest = (Note){.start = start, .events = events};
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
			note_interval(cdr_interval_around(time).from, 1);
	}
}

static bool
is_due(const Note *note)
{
	TimestampTz now = GetCurrentTimestamp();

	if (note->events >= LATE_EVENTS)
		return true;
	return note->start <= now && note->start > now - LATE_DAYS * USECS_PER_DAY;
}

bool
cdr_late_is_due(void)
{
	for (int i = 0; i < nnotes; i++)
	{
		if (is_due(&notes[i]))
			return true;
	}
	return false;
}

bool
cdr_late_take(TimestampTz *time)
{
	for (int i = 0; i < nnotes; i++)
	{
		if (!is_due(&notes[i]))
			continue;
		*time = notes[i].start;
		notes[i] = notes[--nnotes];
		return true;
	}
	return false;
}

void
cdr_late_put_back(TimestampTz time)
{
	note_interval(time, LATE_EVENTS);
}
