/*-------------------------------------------------------------------------
 *
 * read_ring.c
 *	  Reads that were noticed, in shared memory until a process records them.
 *
 * Whoever reads may be in a transaction that is read-only or about to fail, and waits
 * for nobody.  So reads are kept in a ring, which the sealer empties.  What it cannot
 * take goes to the server's log: when it is full, in other databases than that of the
 * sealer, where there is no sealer (on a standby, while the service is paused), and
 * what could not be inserted.
 *
 * A crash of the server loses what is in the ring: the door for those who have to be
 * recorded without fail are the functions of read.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/snapmgr.h"

#include "access/note.h"
#include "access/read_ring.h"
#include "base/fault.h"
#include "store/rights.h"

/* Reads that it holds, and those that one transaction records. */
#define RING_SIZE	  1024
#define READS_AT_ONCE CDR_NOTES_AT_ONCE

typedef struct ReadRing
{
	LWLock *lock;
	Oid served; /* the database whose reads are recorded; InvalidOid: none */
	uint64	first; /* of those in it, counted from the start of the server */
	uint64	end;
	CdrRead reads[RING_SIZE];
} ReadRing;

static ReadRing *ring = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_ring(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(ReadRing));
	RequestNamedLWLockTranche("cdr_service reads", 1);
}

static void
make_ring(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	ring = ShmemInitStruct("cdr_service reads", sizeof(ReadRing), &found);
	if (!found)
	{
		memset(ring, 0, sizeof(ReadRing));
		ring->lock = &GetNamedLWLockTranche("cdr_service reads")->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

void
cdr_read_ring_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_ring;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_ring;
}

/* ------------------------------------------------------------------------
 * For whoever reads
 * ------------------------------------------------------------------------
 */

/* Names of tables, each after a separator and between quotes; in memory of the caller. */
static int
list_of_tables(unsigned tables, const char *quote, char *list, size_t size)
{
	size_t length = 0;

	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (tables & CDR_TABLE_BIT(t))
			length += snprintf(list + length, size - length, "%s%s%s%s",
							   length > 0 ? ", " : "", quote,
							   cdr_table_name(t), quote);
	}
	return (int) length;
}

/* Nothing of it is from the client, but its name: for that, the log has %a. */
static void
log_read(const CdrRead *read)
{
	char tables[256] = "";

	(void) list_of_tables(read->tables, "", tables, sizeof(tables));
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 read->rows < 0
				 ? errmsg("%s of %s by role \"%s\" (login \"%s\", from %s), "
						  "broken off",
						  read->command, tables, NameStr(read->role),
						  NameStr(read->login),
						  read->address[0] ? read->address : "a socket")
				 : errmsg("%s of %s by role \"%s\" (login \"%s\", from %s): "
						  "%lld rows",
						  read->command, tables, NameStr(read->role),
						  NameStr(read->login),
						  read->address[0] ? read->address : "a socket",
						  (long long) read->rows),
			 errhidestmt(true), errhidecontext(true)));
}

void
cdr_read_keep(const CdrRead *read)
{
	bool is_kept;

	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	is_kept =
		ring->served == read->database && ring->end - ring->first < RING_SIZE;
	if (is_kept)
		ring->reads[ring->end++ % RING_SIZE] = *read;
	LWLockRelease(ring->lock);
	if (!is_kept)
		log_read(read);
}

/* ------------------------------------------------------------------------
 * For the process that records
 * ------------------------------------------------------------------------
 */

/* What is left, nobody is going to record. */
static void
serve_no_longer(int code, Datum argument)
{
	CdrRead read;
	bool	is_left = true;

	while (is_left)
	{
		LWLockAcquire(ring->lock, LW_EXCLUSIVE);
		ring->served = InvalidOid;
		is_left = ring->first < ring->end;
		if (is_left)
			read = ring->reads[ring->first++ % RING_SIZE];
		LWLockRelease(ring->lock);
		if (is_left)
			log_read(&read);
	}
}

void
cdr_reads_serve(void)
{
	before_shmem_exit(serve_no_longer, 0);
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	ring->served = MyDatabaseId;
	LWLockRelease(ring->lock);
}

static void
insert_read(const CdrTables *tables, CdrNoteEntry *entry, const CdrRead *read)
{
	char		names[256] = "";
	const char *texts[CDR_NOTE_TEXTS] = {
		[CDR_NOTE_LOGIN] = NameStr(read->login),
		[CDR_NOTE_ROLE] = NameStr(read->role),
		[CDR_NOTE_ADDRESS] = read->address[0] ? read->address : NULL,
		[CDR_NOTE_APPLICATION] = NameStr(read->application),
		[CDR_NOTE_ACTION] = read->command};

	(void) list_of_tables(read->tables, "\"", names, sizeof(names));
	texts[CDR_NOTE_SUBJECT] =
		read->query_id == 0
			? psprintf("{\"tables\": [%s]}", names)
			: psprintf("{\"tables\": [%s], \"query_id\": %lld}", names,
					   (long long) read->query_id);
	cdr_access_insert(tables, entry, texts, read->at, read->rows);
}

static void
insert_reads(const CdrRead *reads, int count)
{
	CdrTables	 tables;
	CdrRights	 rights;
	CdrNoteEntry entry;

	cdr_tables_require(&tables, AccessShareLock);
	cdr_rights_assume(&tables, cdr_rights_writer(&tables), &rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	cdr_access_begin(&tables, &entry);
	for (int i = 0; i < count; i++)
		insert_read(&tables, &entry, &reads[i]);
	cdr_access_end(&tables, &entry);
	SPI_finish();
	cdr_rights_restore(&rights);
}

/* False: they are not recorded, and the server's log says why. */
static bool
try_to_record(const CdrRead *reads, int count)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		insert_reads(reads, count);
		PopActiveSnapshot();
		CommitTransactionCommand();
		done = true;
		CDR_FAULT("after-access-commit");
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

/* Copies the first ones; returns how many. */
static int
take_reads(CdrRead *reads)
{
	int count;

	LWLockAcquire(ring->lock, LW_SHARED);
	count = (int) Min(ring->end - ring->first, READS_AT_ONCE);
	for (int i = 0; i < count; i++)
		reads[i] = ring->reads[(ring->first + i) % RING_SIZE];
	LWLockRelease(ring->lock);
	return count;
}

void
cdr_reads_record(void)
{
	static CdrRead reads[READS_AT_ONCE];
	int			   count;

	while ((count = take_reads(reads)) > 0)
	{
		if (!try_to_record(reads, count))
		{
			for (int i = 0; i < count; i++)
				log_read(&reads[i]);
		}
		LWLockAcquire(ring->lock, LW_EXCLUSIVE);
		ring->first += count;
		LWLockRelease(ring->lock);
		CHECK_FOR_INTERRUPTS();
	}
}
