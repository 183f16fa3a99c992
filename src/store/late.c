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
 * A note says from when to when such events were, within their interval: for a
 * part of it may have partitions, which were made by hand, or while the intervals
 * were shorter.
 *
 * A publisher may send any time, so there are bounds.  Of the last LATE_DAYS,
 * an interval gets a partition for a single event; any other interval, only when
 * this worker has seen LATE_EVENTS events of it.  And where call_events has
 * CDR_LATE_PARTITIONS_MAX partitions (partition.c), no more are made in this
 * way.  One that cannot be made is tried again, ever more rarely, and keeps no
 * other from being made.
 *
 * Memory: a fixed table of this process, in order of time.  It has room for all
 * intervals of the last LATE_DAYS, and some others.  Where it is full, one that is
 * not worth a partition yet is forgotten, that with the fewest events; where all
 * are, what is new is not noted.
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

#define LATE_DAYS	400
#define LATE_EVENTS 1000

/* An interval is a day at least, and starts with one. */
#define NOTES_MAX (LATE_DAYS + 100)

/* Milliseconds; doubled after each failure. */
#define FIRST_RETRY_DELAY 30000
#define LAST_RETRY_DELAY  600000

/*
 * Each failure may have held up batches and readers while it waited for a lock:
 * after so many in a row, none is tried for the time of FIRST_RETRY_DELAY.
 */
#define FAILURES_MAX 32

/* One interval without a partition, or with a gap between some. */
typedef struct Note
{
	CdrLate	  late;
	int64	  events;
	int		  failures;	  /* in a row, to make its partition */
	CdrMoment not_before; /* the next try */
} Note;

static Note notes[NOTES_MAX];
static int	nnotes = 0;

static int		 failures_in_row = 0; /* of any */
static CdrMoment rest_until = 0;

/* Where the note of an interval is, or would be. */
static int
place_of_note(TimestampTz interval)
{
	int from = 0;
	int until = nnotes;

	while (from < until)
	{
		int middle = (from + until) / 2;

		if (notes[middle].late.interval < interval)
			from = middle + 1;
		else
			until = middle;
	}
	return from;
}

static Note *
find_note(TimestampTz interval)
{
	int place = place_of_note(interval);

	if (place == nnotes || notes[place].late.interval != interval)
		return NULL;
	return &notes[place];
}

static void
remove_note(Note *note)
{
	nnotes--;
	memmove(note, note + 1, (&notes[nnotes] - note) * sizeof(Note));
}

static bool
is_worth_partition(const Note *note, TimestampTz now)
{
	TimestampTz start = note->late.interval;

	return note->events >= LATE_EVENTS ||
		   (start <= now && start > now - LATE_DAYS * USECS_PER_DAY);
}

/* Forgets one that is not worth a partition; false if all are. */
static bool
forget_note(void)
{
	TimestampTz now = GetCurrentTimestamp();
	Note	   *fewest = NULL;

	for (int i = 0; i < nnotes; i++)
	{
		if ((fewest == NULL || notes[i].events < fewest->events) &&
			!is_worth_partition(&notes[i], now))
			fewest = &notes[i];
	}
	if (fewest == NULL)
		return false;
	remove_note(fewest);
	return true;
}

/* NULL if there is no room. */
static Note *
add_note(TimestampTz interval)
{
	Note *note;

	if (nnotes == NOTES_MAX && !forget_note())
		return NULL;
	note = &notes[place_of_note(interval)];
	memmove(note + 1, note, (&notes[nnotes] - note) * sizeof(Note));
	nnotes++;
	*note = (Note){.late = {interval, DT_NOEND, DT_NOBEGIN}};
	return note;
}

static void
note_event(TimestampTz time)
{
	TimestampTz interval = cdr_interval_around(time).from;
	Note	   *note = find_note(interval);

	if (note == NULL)
		note = add_note(interval);
	if (note == NULL)
		return;
	note->late.first = Min(note->late.first, time);
	note->late.last = Max(note->late.last, time);
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
			note_event(time);
	}
}

bool
cdr_late_next(CdrLate *late)
{
	TimestampTz now = GetCurrentTimestamp();
	CdrMoment	moment = cdr_now();
	const Note *next = NULL;

	/* else they would be due for ever, and the worker never wait */
	if (cdr_partition_interval == CDR_PARTITION_NONE || rest_until > moment)
		return false;
	/* that which has waited longest, so that each has its turn */
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].not_before <= moment &&
			(next == NULL || notes[i].not_before < next->not_before) &&
			is_worth_partition(&notes[i], now))
			next = &notes[i];
	}
	if (next == NULL)
		return false;
	*late = next->late;
	return true;
}

bool
cdr_late_is_due(void)
{
	CdrLate late;

	return nnotes > 0 && cdr_late_next(&late);
}

void
cdr_late_made(const CdrLate *late)
{
	Note *note = find_note(late->interval);

	if (note != NULL)
		remove_note(note);
	failures_in_row = 0;
}

void
cdr_late_failed(const CdrLate *late)
{
	Note *note = find_note(late->interval);

	if (note == NULL)
		return;
	note->not_before = cdr_after(
		Min(FIRST_RETRY_DELAY << Min(note->failures, 10), LAST_RETRY_DELAY));
	note->failures++;
	if (++failures_in_row < FAILURES_MAX)
		return;
	failures_in_row = 0;
	rest_until = cdr_after(FIRST_RETRY_DELAY);
}

void
cdr_late_hurry(void)
{
	for (int i = 0; i < nnotes; i++)
		notes[i].not_before = 0;
	failures_in_row = 0;
	rest_until = 0;
}
