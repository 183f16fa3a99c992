/*-------------------------------------------------------------------------
 *
 * recent.c
 *	  A memory of the identities that came lately: a hint, and no more.
 *
 * Who publishes an event twice does so within seconds or minutes.  A batch whose
 * events are all thought to be new is inserted as if they were; those that are
 * remembered here are looked up first, so that a few repetitions among many new
 * events do not make the whole batch fail.
 *
 * It is a table in shared memory, for all workers: 32 bits of each of the last
 * million identities, which are digests and so as random as can be.  A bucket is
 * a line of the processor's cache, and holds the last 16 that fell into it.
 * Nothing is locked.  Two who write to a bucket at once may lose one of its
 * identities, which is then no longer remembered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "store/recent.h"

#define BUCKETS		 65536
#define BUCKET_MARKS 16 /* 64 bytes */

typedef struct Bucket
{
	uint32 marks[BUCKET_MARKS]; /* the latest first; 0: none */
} Bucket;

static Bucket *buckets = NULL; /* BUCKETS of them, in shared memory */

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_buckets(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(BUCKETS * sizeof(Bucket) + PG_CACHE_LINE_SIZE);
}

static void
make_buckets(void)
{
	void *memory;
	bool  found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory =
		ShmemInitStruct("cdr_service recent events",
						BUCKETS * sizeof(Bucket) + PG_CACHE_LINE_SIZE, &found);
	buckets = (Bucket *) CACHELINEALIGN(memory);
	if (!found)
		memset(buckets, 0, BUCKETS * sizeof(Bucket));
	LWLockRelease(AddinShmemInitLock);
}

void
cdr_recent_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_buckets;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_buckets;
}

bool
cdr_recent_repeats(const pg_uuid_t *id)
{
	uint32	words[2];
	uint32 *marks;

	if (buckets == NULL)
		return false;
	memcpy(words, id->data, sizeof(words));
	marks = buckets[words[0] % BUCKETS].marks;
	for (int i = 0; i < BUCKET_MARKS; i++)
	{
		if (marks[i] == words[1])
			return true;
	}
	memmove(&marks[1], &marks[0], sizeof(uint32) * (BUCKET_MARKS - 1));
	marks[0] = words[1];
	return false;
}

void
cdr_recent_forget(void)
{
	if (buckets != NULL)
		memset(buckets, 0, BUCKETS * sizeof(Bucket));
}
