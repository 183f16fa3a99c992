/*-------------------------------------------------------------------------
 *
 * locks.c
 *	  Advisory locks that no SQL function can take or release.
 *
 * The server's functions for advisory locks are there for every role.  They
 * set the last field of a lock's tag to 1 (a key of 64 bits) or 2 (two keys of
 * 32 bits), so with another number the locks are ours alone: nobody can keep
 * the service waiting by taking them first.  They last as long as the
 * transaction, so pg_advisory_unlock_all() does not release them.  All else is
 * as with any advisory lock: lock_timeout, the search for deadlocks, pg_locks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/uuid.h"

#include "store/locks.h"

/*
 * In pg_locks: classid and objsubid.  Other extensions lock with numbers of
 * their own, so that both must be unlikely: "cdr" and "cd" in ASCII.
 */
#define LOCK_CLASS	  0x636472
#define LOCK_SUBCLASS 0x6364

#define IDENTITY_LOCKS 64
#define PARTITION_LOCK IDENTITY_LOCKS

static void
lock(int key)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, key, LOCK_SUBCLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
cdr_lock_identities(const Datum *ids, int count)
{
	bool wanted[IDENTITY_LOCKS] = {false};

	for (int i = 0; i < count; i++)
		wanted[DatumGetUUIDP(ids[i])->data[0] % IDENTITY_LOCKS] = true;
	for (int i = 0; i < IDENTITY_LOCKS; i++)
	{
		if (wanted[i])
			lock(i);
	}
}

void
cdr_lock_partitions(void)
{
	lock(PARTITION_LOCK);
}
