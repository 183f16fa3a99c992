/*-------------------------------------------------------------------------
 *
 * pause.c
 *	  A pause of the workers, and its end.
 *
 * A pause is the setting cdr_service.paused, which cdr_pause() writes as ALTER
 * SYSTEM would: so it is there for workers that start, for a server that
 * restarts, and for whoever looks into pg_settings, and a DBA may as well set it
 * himself.  Where that is not possible (allow_alter_system = off), it is a file
 * beside those of crashes.c.  A worker pauses for either.  cdr_resume() ends
 * both, or is an error: what somebody wrote into postgresql.conf on a server
 * without ALTER SYSTEM is his to take out.
 *
 * A setting that is written may be without effect: a mistake in any file of settings
 * has the server apply none, and what its command line says goes first.  So another
 * file says that the pause was asked for, until a worker sees the setting.
 *
 * All are files in the data directory, so a base backup brings each along.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/resowner.h"

#include "base/guc.h"
#include "base/reason.h"
#include "store/tables.h"
#include "worker/crashes.h"
#include "worker/pause.h"
#include "worker/stats.h"

/* That it exists is all that it says. */
#define MARK		 PGSTAT_STAT_PERMANENT_DIRECTORY "/cdr_service_paused"
#define MARK_OF_WISH PGSTAT_STAT_PERMANENT_DIRECTORY "/cdr_service_pausing"

static void
remove_mark(const char *mark, int elevel)
{
	if (access(mark, F_OK) == 0)
		(void) durable_unlink(mark, elevel);
}

bool
cdr_is_paused(void)
{
	if (cdr_paused)
		remove_mark(MARK_OF_WISH, LOG);
	return cdr_paused || access(MARK, F_OK) == 0 ||
		   access(MARK_OF_WISH, F_OK) == 0;
}

/* Makes a mark, durably. */
static void
make_mark(const char *mark)
{
	char *made = psprintf("%s.tmp", mark);
	int	  fd = OpenTransientFile(made, O_CREAT | O_WRONLY | PG_BINARY);

	if (fd < 0 || CloseTransientFile(fd) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not write file \"%s\": %m", mark)));
	(void) durable_rename(made, mark, ERROR);
}

/*
 * Whoever may call the function needs no right to ALTER SYSTEM: the role of the
 * extension has it, for this one setting.
 */
static void
alter_system(AlterSystemStmt *statement)
{
	Oid role = get_role_oid(CDR_ROLE_NAME, true);
	Oid user;
	int security_context;

	GetUserIdAndSecContext(&user, &security_context);
	if (OidIsValid(role) &&
		pg_parameter_aclcheck(statement->setstmt->name, user,
							  ACL_ALTER_SYSTEM) != ACLCHECK_OK)
		SetUserIdAndSecContext(role, security_context |
										 SECURITY_LOCAL_USERID_CHANGE |
										 SECURITY_RESTRICTED_OPERATION);
	AlterSystemSetConfigFile(statement);
	SetUserIdAndSecContext(user, security_context);
}

/* Sets cdr_service.paused, to be applied by a reload; a rollback does not undo
 * it. */
static void
write_setting(const char *value)
{
	AlterSystemStmt *statement = makeNode(AlterSystemStmt);
	A_Const			*constant = makeNode(A_Const);

	constant->val.sval.type = T_String;
	constant->val.sval.sval = pstrdup(value);
	constant->location = -1;
	statement->setstmt = makeNode(VariableSetStmt);
	statement->setstmt->kind = VAR_SET_VALUE;
	statement->setstmt->name = "cdr_service.paused";
	statement->setstmt->args = list_make1(constant);
	alter_system(statement);
}

/* The same; false, with the reason, where the server does not let us. */
static bool
could_write_setting(const char *value, CdrReasonBuffer *why)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		write_setting(value);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		cdr_fail_with_error(why);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

static void
request_reload(void)
{
	if (kill(PostmasterPid, SIGHUP) != 0)
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR),
						errmsg("could not signal the postmaster: %m")));
}

PG_FUNCTION_INFO_V1(cdr_pause);

Datum
cdr_pause(PG_FUNCTION_ARGS)
{
	CdrReasonBuffer why;

	cdr_stats_require();
	if (could_write_setting("on", &why))
		make_mark(MARK_OF_WISH);
	else
	{
		make_mark(MARK);
		ereport(NOTICE, (errcode(ERRCODE_SUCCESSFUL_COMPLETION),
						 errmsg("paused by a file in the data directory"),
						 errdetail("cdr_service.paused could not be set: %s.",
								   why.message),
						 errhint("cdr_resume() removes the file.")));
	}
	request_reload();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(cdr_resume);

Datum
cdr_resume(PG_FUNCTION_ARGS)
{
	CdrReasonBuffer why;

	cdr_stats_require();
	/* first what may fail, last what has the workers look */
	if (!could_write_setting("off", &why) && cdr_paused)
		ereport(
			ERROR,
			(errcode(why.reason.sqlerrcode),
			 errmsg("could not end the pause: %s", why.message),
			 errdetail("cdr_service.paused is on in a configuration file."),
			 errhint("Set it to off where SELECT sourcefile, sourceline "
					 "FROM pg_settings WHERE name = 'cdr_service.paused' "
					 "says, and reload.")));
	remove_mark(MARK, ERROR);
	remove_mark(MARK_OF_WISH, ERROR);
	cdr_crashes_forget_all();
	request_reload();
	PG_RETURN_VOID();
}
