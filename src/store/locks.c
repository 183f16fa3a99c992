/*-------------------------------------------------------------------------
 *
 * locks.c
 *	  Advisory locks, under a first key of our own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "store/locks.h"

/* "cdr" in ASCII: the first key, so that we disturb nobody else's locks */
#define LOCK_CLASS 0x636472

#define IDENTITY_LOCKS 64
#define PARTITION_LOCK IDENTITY_LOCKS

static void
lock(int key)
{
	DirectFunctionCall2(pg_advisory_xact_lock_int4, Int32GetDatum(LOCK_CLASS),
						Int32GetDatum(key));
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
