/*-------------------------------------------------------------------------
 *
 * recent.c
 *	  A memory of the identities that came lately: a hint, and no more.
 *
 * Of events.  Who publishes an event twice does so within seconds or minutes.  A batch whose
 * events are all thought to be new is inserted as if they were; those that are
 * remembered here are looked up first, so that a few repetitions among many new
 * events do not make the whole batch fail.
 *
 * Of calls.  A call whose start has come and that was not seen before has no row
 * yet, most likely, and is inserted without looking for one.
 *
 * Each is a table in shared memory, for all workers: 32 bits of each of the last
 * million identities, which are digests and so as random as can be.  A bucket is
 * a line of the processor's cache, and holds the last 16 that fell into it.
 * Nothing is locked.  Two who write to a bucket at once may lose one of its
 * identities, which is then no longer remembered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "store/recent.h"

#define BUCKETS_OF_EVENTS 65536
#define BUCKETS_OF_CALLS  16384
#define BUCKET_MARKS	  16 /* 64 bytes */

typedef struct Bucket
{
	uint32 marks[BUCKET_MARKS]; /* the latest first; 0: none */
} Bucket;

/* One of them, in shared memory; buckets is NULL without preloading. */
typedef struct Memory
{
	const char *name;
	uint32		nbuckets;
	Bucket	   *buckets;
} Memory;

static Memory events = {"cdr_service recent events", BUCKETS_OF_EVENTS, NULL};
static Memory calls = {"cdr_service recent calls", BUCKETS_OF_CALLS, NULL};

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static Size
size_of(const Memory *memory)
{
	return memory->nbuckets * sizeof(Bucket) + PG_CACHE_LINE_SIZE;
}

static void
request_memories(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(size_of(&events));
	RequestAddinShmemSpace(size_of(&calls));
}

static void
make_memory(Memory *memory)
{
	bool  found;
	void *place = ShmemInitStruct(memory->name, size_of(memory), &found);

	memory->buckets = (Bucket *) CACHELINEALIGN(place);
	if (!found)
		memset(memory->buckets, 0, memory->nbuckets * sizeof(Bucket));
}

static void
make_memories(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	make_memory(&events);
	make_memory(&calls);
	LWLockRelease(AddinShmemInitLock);
}

void
cdr_recent_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memories;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_memories;
}

/* Was it there?  Remembers it. */
static bool
remember(Memory *memory, uint32 place, uint32 mark)
{
	uint32 *marks;

	if (memory->buckets == NULL)
		return false;
	marks = memory->buckets[place % memory->nbuckets].marks;
	for (int i = 0; i < BUCKET_MARKS; i++)
	{
		if (marks[i] == mark)
			return true;
	}
	memmove(&marks[1], &marks[0], sizeof(uint32) * (BUCKET_MARKS - 1));
	marks[0] = mark;
	return false;
}

bool
cdr_recent_repeats(const pg_uuid_t *id)
{
	uint32 words[2];

	memcpy(words, id->data, sizeof(words));
	return remember(&events, words[0], words[1]);
}

bool
cdr_recent_call(const char *call_id)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) call_id,
									  (int) strlen(call_id), 0);

	return remember(&calls, (uint32) hash, (uint32) (hash >> 32));
}

static void
forget(Memory *memory)
{
	if (memory->buckets != NULL)
		memset(memory->buckets, 0, memory->nbuckets * sizeof(Bucket));
}

void
cdr_recent_forget(void)
{
	/* a call of which no event is there has no row either */
	forget(&events);
	forget(&calls);
}
