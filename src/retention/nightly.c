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
 * counts as none; so does one of another timeline, which a standby has from the server
 * that it is a copy of.
 *
 * The hour is one of log_timezone, which is the server's: that of sessions is
 * what a database or a role is set to, and our processes work in UTC.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "pgtime.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "retention/nightly.h"

#define NIGHTLY_VERSION 2

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
	/* in recovery there is no timeline to ask for, and no run that is its own */
	if (is_read && nightly->version == NIGHTLY_VERSION &&
		!RecoveryInProgress() &&
		nightly->timeline == GetWALInsertionTimeLine() &&
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
	nightly->timeline = GetWALInsertionTimeLine();
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

/* What somebody who looks at the clock remembers. */
typedef struct HourWatch
{
	int	  hour;
	int64 looked_at; /* hours; 0: not yet */
	int64 done_for;	 /* hours; 0: not yet */
} HourWatch;

/* Hours of the time in a zone, counted from some day; 0: not known. */
static int64
hours_by_clock(TimestampTz at, pg_tz *time_zone)
{
	struct pg_tm tm;
	fsec_t		 fsec;
	int			 offset;

	if (TIMESTAMP_NOT_FINITE(at) ||
		timestamp2tm(at, &offset, &tm, &fsec, NULL, time_zone) != 0)
		return 0;
	return (int64) date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) * HOURS_PER_DAY +
		   tm.tm_hour;
}

/* When it was that hour of the day last. */
static int64
last_due(int hour, int64 now)
{
	int64 due = now - now % HOURS_PER_DAY + hour;

	return due > now ? due - HOURS_PER_DAY : due;
}

/*
 * It may have come and gone since the last look: where clocks are put forward, and
 * while something else took long.  It comes once a day, also where they are put back.
 */
static bool
hour_has_come(HourWatch *watch, int64 now)
{
	int64 before = watch->looked_at;
	int64 due = last_due(watch->hour, now);

	watch->looked_at = now;
	if (due == watch->done_for ||
		(due != now && (before == 0 || before >= due)))
		return false;
	watch->done_for = due;
	return true;
}

/*
 * From now on, this process looks out for that hour.  If another one has done so, and
 * a run has begun, it is not begun again: it may be what has ended that process.
 */
static void
watch_hour(HourWatch *watch)
{
	CdrNightly nightly;

	watch->hour = cdr_retention_hour;
	watch->looked_at = 0;
	if (cdr_nightly_read(&nightly) && nightly.hour == watch->hour &&
		nightly.watched_since != 0)
	{
		if (nightly.begun_at >= nightly.watched_since)
			watch->done_for = last_due(
				watch->hour, hours_by_clock(nightly.begun_at, log_timezone));
		return;
	}
	nightly.hour = watch->hour;
	nightly.watched_since = GetCurrentTimestamp();
	nightly_write(&nightly);
}

bool
cdr_nightly_is_due(void)
{
	static HourWatch watch = {.hour = -1};

	if (cdr_retention_hour < 0)
	{
		watch.hour = -1;
		return false;
	}
	if (cdr_retention_hour != watch.hour)
		watch_hour(&watch);
	return hour_has_come(&watch,
						 hours_by_clock(GetCurrentTimestamp(), log_timezone));
}

PG_FUNCTION_INFO_V1(cdr_retention_times);

Datum
cdr_retention_times(PG_FUNCTION_ARGS)
{
	HourWatch  watch = {.hour = PG_GETARG_INT32(0)};
	char	  *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ArrayType *looks = PG_GETARG_ARRAYTYPE_P(2);
	pg_tz	  *time_zone = NULL;
	Datum	  *values;
	bool	  *nulls;
	int		   nlooks;
	int		   ndue = 0;

	if (watch.hour < 0 || watch.hour >= HOURS_PER_DAY)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the hour must be between 0 and 23")));
	if (strlen(name) <= TZ_STRLEN_MAX)
		time_zone = pg_tzset(name);
	if (time_zone == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("time zone \"%s\" not recognized",
					pnstrdup(name, pg_mbcliplen(name, strlen(name), 80)))));
	deconstruct_array(looks, TIMESTAMPTZOID, sizeof(TimestampTz),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls,
					  &nlooks);
	for (int i = 0; i < nlooks; i++)
		if (!nulls[i] &&
			hour_has_come(
				&watch,
				hours_by_clock(DatumGetTimestampTz(values[i]), time_zone)))
			values[ndue++] = values[i];
	PG_RETURN_ARRAYTYPE_P(construct_array(values, ndue, TIMESTAMPTZOID,
										  sizeof(TimestampTz), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
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
