/*-------------------------------------------------------------------------
 *
 * seal_mark.c
 *	  How far the log of seals came, in a file beside the tables.
 *
 * Whoever restores an older dump into the same server brings back a shorter log,
 * and would go on with it under the same name: then the checkpoints that were kept
 * of the longer one fit no more, as if somebody had rewritten it.  The server's
 * numbers do not tell, for they are the same.  So a file in the data directory, one
 * for each database, keeps number and length of the log; no dump brings it back.
 *
 * It is written when the transaction has committed: a file that is ahead of the
 * log makes the next seal begin a new one.  One that is behind it, after a
 * crash between both, says nothing, and the next seal writes it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"

#include "store/recording.h"
#include "store/seal_mark.h"

#define MARK_DIRECTORY PGSTAT_STAT_PERMANENT_DIRECTORY
#define MARK_PREFIX	   "cdr_service_log_"

/* Number, length, root, base. */
#define MARK_FORMAT "%d " INT64_FORMAT " %s %s\n"
#define MARK_SIZE	(CDR_ORIGIN_MAX + CDR_ROOT_TEXT + 64)

/* What is to be written at the end of the transaction; level 0: nothing. */
static CdrSealMark pending_mark;
static TimestampTz pending_told = 0;
static int		   pending_level = 0;

static void
mark_path(Oid database, char path[MAXPGPATH])
{
	snprintf(path, MAXPGPATH, MARK_DIRECTORY "/" MARK_PREFIX "%u", database);
}

/* False: there is none, or it says nothing. */
static bool
read_mark(const char *path, CdrSealMark *mark)
{
	char	  text[MARK_SIZE];
	FILE	 *file = AllocateFile(path, PG_BINARY_R);
	long long size;
	bool	  is_read;

	memset(mark, 0, sizeof(CdrSealMark));
	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(ERROR, (errcode_for_file_access(),
							errmsg("could not open file \"%s\": %m", path)));
		return false;
	}
	/* the widths of the texts */
	StaticAssertStmt(CDR_ROOT_TEXT == 44 && CDR_ORIGIN_MAX == 200,
					 "the widths below are others");
	is_read = fgets(text, sizeof(text), file) != NULL &&
			  sscanf(text, "%d %lld %44s %200s", &mark->number, &size,
					 mark->root, mark->base) == 4 &&
			  mark->number > 0;
	FreeFile(file);
	if (is_read)
		mark->size = size;
	else
		memset(mark, 0, sizeof(CdrSealMark));
	return is_read;
}

int
cdr_seal_mark_read(const char *base, CdrSealMark *mark)
{
	DIR			  *directory = AllocateDir(MARK_DIRECTORY);
	struct dirent *entry;
	int			   highest = 0;
	char		   path[MAXPGPATH];

	while ((entry = ReadDir(directory, MARK_DIRECTORY)) != NULL)
	{
		CdrSealMark other;

		if (strncmp(entry->d_name, MARK_PREFIX, strlen(MARK_PREFIX)) != 0)
			continue;
		snprintf(path, sizeof(path), MARK_DIRECTORY "/%s", entry->d_name);
		if (read_mark(path, &other) && strcmp(other.base, base) == 0)
			highest = Max(highest, other.number);
	}
	FreeDir(directory);
	mark_path(MyDatabaseId, path);
	(void) read_mark(path, mark);
	return highest;
}

/* After the commit nothing may fail: what cannot be written is told. */
static void
write_mark(const CdrSealMark *mark)
{
	char path[MAXPGPATH];
	char temporary[MAXPGPATH + 8];
	char text[MARK_SIZE];
	int	 length;
	int	 fd;
	bool done;

	mark_path(MyDatabaseId, path);
	/* not with the prefix of a mark */
	snprintf(temporary, sizeof(temporary),
			 MARK_DIRECTORY "/new_" MARK_PREFIX "%u", MyDatabaseId);
	length = snprintf(text, sizeof(text), MARK_FORMAT, mark->number,
					  mark->size, mark->root, mark->base);
	fd = BasicOpenFile(temporary, O_CREAT | O_TRUNC | O_WRONLY | PG_BINARY);
	done = fd >= 0 && write(fd, text, length) == length;
	if (fd >= 0 && close(fd) != 0)
		done = false;
	if (!done)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temporary),
				 errdetail("Until it is written, the restore of an older dump "
						   "into this database does not show in its log of "
						   "seals.")));
	else
		/* (this tells of its own errors) */
		(void) durable_rename(temporary, path, LOG);
}

static void
at_end_of_transaction(XactEvent event, void *argument)
{
	if (pending_level > 0 && event == XACT_EVENT_COMMIT)
	{
		write_mark(&pending_mark);
		if (pending_told != 0)
			cdr_recording_set_back_told(pending_told);
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		pending_level = pending_told = 0;
}

/* What is rolled back has made no seal.  (A seal of an outer transaction that it
 * had replaced is written with the next one.) */
static void
at_end_of_subtransaction(SubXactEvent event, SubTransactionId id,
						 SubTransactionId parent, void *argument)
{
	int level = GetCurrentTransactionNestLevel();

	if (pending_level < level)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		pending_level = pending_told = 0;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		pending_level = level - 1;
}

void
cdr_seal_mark_write(const CdrSealMark *mark, TimestampTz told)
{
	static bool is_registered = false;

	if (!is_registered)
	{
		RegisterXactCallback(at_end_of_transaction, NULL);
		RegisterSubXactCallback(at_end_of_subtransaction, NULL);
		is_registered = true;
	}
	pending_mark = *mark;
	/* one transaction may make seals several times */
	if (told != 0)
		pending_told = told;
	pending_level = GetCurrentTransactionNestLevel();
}

bool
cdr_seal_mark_tells(TimestampTz set_back_to)
{
	return pending_told == set_back_to;
}
