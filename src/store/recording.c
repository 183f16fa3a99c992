/*-------------------------------------------------------------------------
 *
 * recording.c
 *	  What an event gets when it is recorded: its time of recording, which no
 *	  other event has, and its salt.
 *
 * Whoever writes n events reserves n microseconds, from now on or, if they are
 * taken, from where the last reservation ends; so it says in which order events
 * were recorded, too.  To store an event takes longer than a microsecond: so the
 * times are over before the transaction commits.
 *
 * Where the clock is set back by more than a second, times follow the clock, and
 * some may be there twice: to wait until it has caught up could mean hours of
 * times that are wrong.  The same is so of two sessions of a server that has not
 * preloaded the library, which have no memory in common.
 *
 * The salt is for a digest of the event that does not give away what it is of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "store/recording.h"

typedef struct Reserved
{
	slock_t		mutex;
	TimestampTz now; /* the latest that the clock has said */
	TimestampTz end; /* times before it are taken */

	/* from here on, none was given out twice: where the clock was set back, not
	 * before it has caught up */
	TimestampTz alone;

	/* the clock was set back, and nobody has put it down; 0: it was not */
	TimestampTz set_from;
	TimestampTz set_to;
} Reserved;

/* In shared memory; without preloading, of this process. */
static Reserved	 own;
static Reserved *reserved = &own;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_reserved(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(Reserved));
}

static void
make_reserved(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	reserved = ShmemInitStruct("cdr_service times of recording",
							   sizeof(Reserved), &found);
	if (!found)
	{
		memset(reserved, 0, sizeof(Reserved));
		SpinLockInit(&reserved->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
cdr_recording_init(void)
{
	SpinLockInit(&own.mutex);
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_reserved;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_reserved;
}

/* Reserves microseconds; returns the first. */
static TimestampTz
reserve(int count)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz first;
	TimestampTz set_back;

	SpinLockAcquire(&reserved->mutex);
	/* this process may have stood still meanwhile, and not the clock gone back */
	if (reserved->now - now > CDR_SET_BACK)
		now = GetCurrentTimestamp();
	set_back = reserved->now - now;
	if (set_back > CDR_SET_BACK)
	{
		reserved->set_from = Max(reserved->set_from, reserved->now);
		reserved->set_to = now;
		reserved->alone = Max(reserved->alone, reserved->end);
		reserved->now = reserved->end = now;
	}
	first = Max(now, reserved->end);
	reserved->now = Max(now, reserved->now);
	reserved->end = first + count;
	SpinLockRelease(&reserved->mutex);

	if (set_back > CDR_SET_BACK)
		ereport(LOG, (errcode(ERRCODE_WARNING),
					  errmsg("the clock was set back by %.1f seconds",
							 (double) set_back / USECS_PER_SEC),
					  errdetail("Until it has caught up, recorded_at of an "
								"event may be that of an earlier one.")));
	return first;
}

bool
cdr_recording_is_alone(TimestampTz first)
{
	TimestampTz alone;

	if (reserved == &own)
		return false;
	SpinLockAcquire(&reserved->mutex);
	alone = reserved->alone;
	SpinLockRelease(&reserved->mutex);
	return first >= alone;
}

bool
cdr_recording_set_back(TimestampTz *from, TimestampTz *to)
{
	SpinLockAcquire(&reserved->mutex);
	*from = reserved->set_from;
	*to = reserved->set_to;
	SpinLockRelease(&reserved->mutex);
	return *from != 0;
}

void
cdr_recording_set_back_told(TimestampTz to)
{
	SpinLockAcquire(&reserved->mutex);
	if (reserved->set_to == to)
		reserved->set_from = reserved->set_to = 0;
	SpinLockRelease(&reserved->mutex);
}

/* An event of a batch, for sorting. */
typedef struct Numbered
{
	TimestampTz day; /* of UTC: when it begins */
	int			position;
} Numbered;

static int
compare_numbered(const void *a, const void *b)
{
	const Numbered *x = a;
	const Numbered *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return x->position - y->position;
}

static TimestampTz
day_of_event(TimestampTz time)
{
	TimestampTz rest = time % USECS_PER_DAY;

	return time - (rest < 0 ? rest + USECS_PER_DAY : rest);
}

/* Numbers events from first on, day by day; almost always all are of one. */
static void
number_events(CdrEvent **events, int count, TimestampTz first, CdrMark *marks)
{
	Numbered *order = palloc(count * sizeof(Numbered));
	bool	  is_sorted = true;

	for (int i = 0; i < count; i++)
	{
		order[i] = (Numbered){day_of_event(events[i]->time), i};
		is_sorted = is_sorted && order[i].day >= order[Max(i - 1, 0)].day;
	}
	if (!is_sorted)
		qsort(order, count, sizeof(Numbered), compare_numbered);
	for (int i = 0; i < count; i++)
		marks[order[i].position].recorded_at = first + i;
	pfree(order);
}

CdrMark *
cdr_recording_marks(CdrEvent **events, int count)
{
	CdrMark *marks = palloc(Max(count, 1) * sizeof(CdrMark));

	/* at once, because each call costs as much as hundreds of salts; what falls
	 * on the times is overwritten */
	if (!pg_strong_random(marks, count * sizeof(CdrMark)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate a random number")));
	number_events(events, count, reserve(count), marks);
	return marks;
}
