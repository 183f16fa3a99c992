/*-------------------------------------------------------------------------
 *
 * nightly.c
 *	  Retention at an hour of the day: when, and what came of it.
 *
 * Nobody is there at night to see an error, and the server may be restarted before
 * somebody looks.  So what came of the last run stands in a small file for each
 * database, beside the server's own statistics, which cdr_health reads: that it
 * failed, that it did not end, and that there was none.
 *
 * The file has one length and is written over in place, so that a full disk, which may
 * be why the run failed, does not keep it from being told.  One that is not whole
 * counts as none.
 *
 * The hour is one of log_timezone, which is the server's: that of sessions is
 * what a database or a role is set to, and our processes work in UTC.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "pgtime.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "retention/nightly.h"

#define NIGHTLY_VERSION 1

/* ------------------------------------------------------------------------
 * The file
 * ------------------------------------------------------------------------
 */

static void
nightly_path(char path[MAXPGPATH])
{
	snprintf(path, MAXPGPATH, "%s/cdr_service_retention_%u",
			 PGSTAT_STAT_PERMANENT_DIRECTORY, MyDatabaseId);
}

static pg_crc32c
nightly_checksum(const CdrNightly *nightly)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, nightly, offsetof(CdrNightly, crc));
	FIN_CRC32C(crc);
	return crc;
}

bool
cdr_nightly_read(CdrNightly *nightly)
{
	char path[MAXPGPATH];
	int	 fd;
	bool is_read = false;

	nightly_path(path);
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd >= 0)
	{
		is_read = read(fd, nightly, sizeof(CdrNightly)) == sizeof(CdrNightly);
		(void) CloseTransientFile(fd);
	}
	if (is_read && nightly->version == NIGHTLY_VERSION &&
		EQ_CRC32C(nightly->crc, nightly_checksum(nightly)))
		return true;
	memset(nightly, 0, sizeof(CdrNightly));
	return false;
}

static void
nightly_write(CdrNightly *nightly)
{
	char path[MAXPGPATH];
	int	 fd;
	bool is_written = false;

	nightly_path(path);
	nightly->version = NIGHTLY_VERSION;
	nightly->crc = nightly_checksum(nightly);
	fd = OpenTransientFile(path, O_CREAT | O_WRONLY | PG_BINARY);
	if (fd >= 0)
	{
		errno = 0;
		is_written =
			write(fd, nightly, sizeof(CdrNightly)) == sizeof(CdrNightly);
		if (!is_written && errno == 0)
			errno = ENOSPC;
	}
	if (!is_written)
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not write file \"%s\": %m", path)));
	if (fd >= 0)
		(void) CloseTransientFile(fd);
}

/* ------------------------------------------------------------------------
 * The hour
 * ------------------------------------------------------------------------
 */

/* Hours of the server's time, counted from some day; 0: not known. */
static int64
hours_by_clock(void)
{
	struct pg_tm tm;
	fsec_t		 fsec;
	int			 zone;

	if (timestamp2tm(GetCurrentTimestamp(), &zone, &tm, &fsec, NULL,
					 log_timezone) != 0)
		return 0;
	return (int64) date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) * HOURS_PER_DAY +
		   tm.tm_hour;
}

/* Notes that from now on a process looks out for this hour. */
static void
watch_hour(void)
{
	CdrNightly nightly;

	if (cdr_nightly_read(&nightly) && nightly.hour == cdr_retention_hour &&
		nightly.watched_since != 0)
		return;
	nightly.hour = cdr_retention_hour;
	nightly.watched_since = GetCurrentTimestamp();
	nightly_write(&nightly);
}

/*
 * It may have come and gone since the last look: where clocks are put forward, and
 * while something else took long.  It comes once a day, also where they are put back.
 */
bool
cdr_nightly_is_due(void)
{
	static int	 watched = -1;
	static int64 looked_at = 0;
	static int64 done_for = 0;
	int64		 before = looked_at;
	int64		 now;
	int64		 due;

	if (cdr_retention_hour != watched)
	{
		watched = cdr_retention_hour;
		before = 0;
		if (watched >= 0)
			watch_hour();
	}
	if (watched < 0)
		return false;
	now = looked_at = hours_by_clock();
	due = now - now % HOURS_PER_DAY + watched;
	if (due > now)
		due -= HOURS_PER_DAY;
	if (due == done_for || (due != now && (before == 0 || before >= due)))
		return false;
	done_for = due;
	return true;
}

/* ------------------------------------------------------------------------
 * What came of it
 * ------------------------------------------------------------------------
 */

void
cdr_nightly_begin(void)
{
	CdrNightly nightly;

	(void) cdr_nightly_read(&nightly);
	nightly.begun_at = GetCurrentTimestamp();
	nightly.is_running = true;
	nightly_write(&nightly);
}

void
cdr_nightly_fail(const CdrReason *reason)
{
	CdrNightly	nightly;
	const char *hint = reason->hint != NULL ? reason->hint : "";

	(void) cdr_nightly_read(&nightly);
	nightly.is_running = false;
	if (nightly.failing_since == 0)
		nightly.failing_since = GetCurrentTimestamp();
	nightly.sqlerrcode = reason->sqlerrcode;
	memset(nightly.message, 0, sizeof(nightly.message));
	memset(nightly.hint, 0, sizeof(nightly.hint));
	memcpy(nightly.message, reason->message,
		   pg_mbcliplen(reason->message, strlen(reason->message),
						sizeof(nightly.message) - 1));
	memcpy(nightly.hint, hint,
		   pg_mbcliplen(hint, strlen(hint), sizeof(nightly.hint) - 1));
	nightly_write(&nightly);
}

/* Where none was known to fail, there is nothing to take back. */
void
cdr_nightly_succeed(void)
{
	CdrNightly nightly;

	if (!cdr_nightly_read(&nightly) ||
		(nightly.failing_since == 0 && !nightly.is_running))
		return;
	nightly.is_running = false;
	nightly.failing_since = 0;
	nightly_write(&nightly);
}
