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

#include "store/locks.h"

/*
 * In pg_locks: classid and objsubid.  Other extensions lock with numbers of
 * their own, so that both must be unlikely: "cdr" and "cd" in ASCII.
 */
#define LOCK_CLASS	  0x636472
#define LOCK_SUBCLASS 0x6364

#define PARTITION_LOCK 64
#define MAPPING_LOCK   65
#define REMAP_LOCK	   66
#define ROLLUP_LOCK	   67
#define ALERTS_LOCK	   68
#define SEALS_LOCK	   69

static bool
lock_number(uint32 number, bool dont_wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, number, LOCK_SUBCLASS);
	return LockAcquire(&tag, ExclusiveLock, false, dont_wait) !=
		   LOCKACQUIRE_NOT_AVAIL;
}

static void
lock_exclusively(uint32 number)
{
	(void) lock_number(number, false);
}

void
cdr_lock_partitions(void)
{
	lock_exclusively(PARTITION_LOCK);
}

void
cdr_lock_mappings(void)
{
	lock_exclusively(MAPPING_LOCK);
}

void
cdr_lock_remap(void)
{
	lock_exclusively(REMAP_LOCK);
}

void
cdr_lock_rollup(void)
{
	lock_exclusively(ROLLUP_LOCK);
}

bool
cdr_try_lock_rollup(void)
{
	return lock_number(ROLLUP_LOCK, true);
}

bool
cdr_try_lock_alerts(void)
{
	return lock_number(ALERTS_LOCK, true);
}

void
cdr_lock_seals(void)
{
	lock_exclusively(SEALS_LOCK);
}
