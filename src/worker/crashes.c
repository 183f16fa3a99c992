/*-------------------------------------------------------------------------
 *
 * crashes.c
 *	  How often a worker has crashed in a row, on disk.
 *
 * A crash of any process makes the server start all of them anew, at once and
 * with new shared memory.  So a worker that crashes at each start would take
 * the cluster down many times a second, and nobody could log in to remove the
 * cause, unless something outlived the crash: a small file for each worker,
 * in the directory where the server keeps its own statistics.
 *
 * The file says whether a process is running.  Whoever exits in order, after a
 * FATAL error too, says that it is not; who starts and reads that one is, has
 * found a crash.  It may have been that of another process, an immediate
 * shutdown or a loss of power: those look the same from here.  So the first
 * crash costs no delay, the next few little, and a worker that has been
 * running for some minutes begins to count anew.
 *
 * Waiting for its turn, or paused, a worker is not running: it is not to count
 * crashes that cannot be its own.
 *
 * Nothing that is wrong with a file keeps a worker from starting: what cannot
 * be read counts as no crash, what cannot be written is logged.  A base backup
 * brings a copy along that may say "running": that is one crash, and no delay.
 * A record that says nothing is no file: so none stays in a server that the
 * library was taken from.
 *
 * Only the worker writes to its file.  cdr_resume() removes all of them, and
 * sets a flag in shared memory for the processes that there are: so it is
 * heard even by one that has read its file just before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "pgstat.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "worker/crashes.h"
#include "worker/delay.h"
#include "worker/stats.h"

/*
 * Milliseconds.  With the longest delay, a worker that always crashes takes
 * the cluster down for a moment every five to ten minutes, and one whose
 * trouble went away by itself is back within ten.
 */
#define FIRST_DELAY	  1000
#define LONGEST_DELAY (10 * 60 * 1000)
#define HEALTHY_AFTER (5 * 60 * 1000)

#define RECORD_VERSION 2

/* What the file holds. */
typedef struct CrashRecord
{
	uint32		version;
	uint32		running;	/* 1: a process is, or crashed */
	TimestampTz not_before; /* when the next start is due; 0: now */
	TimestampTz since;		/* when the first crash was found out; 0: none */
	int32		crashes;	/* in a row */
	pg_crc32c	crc;		/* of all that stands before */
} CrashRecord;

/* Of the worker that this process is. */
static CrashRecord record;
static int		   record_worker;
static CdrMoment   healthy_at;

static void
set_record_path(char *path, int worker, const char *suffix)
{
	snprintf(path, MAXPGPATH, "%s/cdr_service_worker_%d%s",
			 PGSTAT_STAT_PERMANENT_DIRECTORY, worker, suffix);
}

static pg_crc32c
compute_checksum(const CrashRecord *of)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, of, offsetof(CrashRecord, crc));
	FIN_CRC32C(crc);
	return crc;
}

/* The bytes of the file, one more than a record has if there are; -1: error. */
static int
read_record_bytes(const char *path, char *bytes)
{
	int fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	int length;

	if (fd < 0)
		return -1;
	length = read(fd, bytes, sizeof(CrashRecord) + 1);
	if (CloseTransientFile(fd) != 0)
		return -1;
	return length;
}

/* Reads the record; what is no record becomes one that says nothing. */
static void
read_record(void)
{
	char path[MAXPGPATH];
	char bytes[sizeof(CrashRecord) + 1] = {0};
	int	 length;

	set_record_path(path, record_worker, "");
	length = read_record_bytes(path, bytes);
	memcpy(&record, bytes, sizeof(record));
	if (length == sizeof(record) && record.version == RECORD_VERSION &&
		EQ_CRC32C(record.crc, compute_checksum(&record)))
		return;

	memset(&record, 0, sizeof(record));
	if (length < 0 && errno == ENOENT)
		return;
	if (length < 0)
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not read file \"%s\": %m", path)));
	else
		ereport(LOG, (errcode(ERRCODE_DATA_CORRUPTED),
					  errmsg("file \"%s\" is damaged", path),
					  errdetail("It is made anew, and crashes before this "
								"start do not count.")));
	/* else it would be in the way of the next; if it stays, that is logged */
	(void) unlink(path);
}

/* Puts all of the record into a file; errno says why not. */
static bool
write_record_bytes(const char *path)
{
	int fd = OpenTransientFile(path, O_CREAT | O_TRUNC | O_WRONLY | PG_BINARY);
	bool written;

	if (fd < 0)
		return false;
	errno = 0;
	written = write(fd, &record, sizeof(record)) == sizeof(record);
	if (!written && errno == 0)
		errno = ENOSPC;
	if (!written)
	{
		int error = errno;

		(void) CloseTransientFile(fd);
		errno = error;
		return false;
	}
	return CloseTransientFile(fd) == 0;
}

/*
 * Durable or not: at worst, it is back after a loss of power, which counts as a
 * crash anyhow.
 */
static void
remove_record(int worker, int elevel)
{
	char path[MAXPGPATH];

	set_record_path(path, worker, "");
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(elevel, (errcode_for_file_access(),
						 errmsg("could not remove file \"%s\": %m", path)));
	/* one that could not take its place */
	set_record_path(path, worker, ".tmp");
	(void) unlink(path);
}

static void
write_record(void)
{
	char path[MAXPGPATH];
	char temporary[MAXPGPATH];

	if (!record.running && record.crashes == 0)
	{
		remove_record(record_worker, LOG);
		return;
	}
	set_record_path(path, record_worker, "");
	set_record_path(temporary, record_worker, ".tmp");
	record.version = RECORD_VERSION;
	record.crc = compute_checksum(&record);
	if (write_record_bytes(temporary))
		(void) durable_rename(temporary, path, LOG);
	else
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not write file \"%s\": %m", temporary)));
}

int
cdr_crashes_begin(int worker, CdrMoment *not_before)
{
	TimestampTz now = GetCurrentTimestamp();

	record_worker = worker;
	read_record();
	if (record.running)
	{
		record.running = 0;
		if (record.crashes++ == 0)
			record.since = now;
		if (record.crashes >= 2)
			record.not_before = TimestampTzPlusMilliseconds(
				now,
				cdr_backoff(FIRST_DELAY, record.crashes - 2, LONGEST_DELAY));
		write_record();
	}
	/* the clock may have been set back */
	*not_before =
		cdr_after(Min(TimestampDifferenceMilliseconds(now, record.not_before),
					  LONGEST_DELAY));
	return record.crashes;
}

TimestampTz
cdr_crashes_since(void)
{
	return record.since;
}

static void
end_in_order(int code, Datum argument)
{
	(void) cdr_crashes_heed_resume();
	record.running = 0;
	write_record();
}

void
cdr_crashes_set_running(void)
{
	healthy_at = cdr_after(HEALTHY_AFTER);
	record.running = 1;
	record.not_before = 0;
	write_record();
	before_shmem_exit(end_in_order, (Datum) 0);
}

static void
forget_crashes(void)
{
	record.crashes = 0;
	record.not_before = 0;
	record.since = 0;
	write_record();
}

bool
cdr_crashes_heed_resume(void)
{
	if (!cdr_stats_take_resumed())
		return false;
	forget_crashes();
	return true;
}

void
cdr_crashes_heed_health(void)
{
	if (record.crashes > 0 && cdr_milliseconds_until(healthy_at) == 0)
		forget_crashes();
}

void
cdr_crashes_forget_all(void)
{
	for (int i = 0; i < CDR_WORKERS_MAX; i++)
		remove_record(i, WARNING);
	cdr_stats_set_resumed_all();
}
