/*-------------------------------------------------------------------------
 *
 * pause.c
 *	  SQL: a pause of the workers, and its end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/guc.h"

#include "store/tables.h"
#include "worker/crashes.h"
#include "worker/stats.h"

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

/*
 * Sets cdr_service.paused as ALTER SYSTEM would, to be applied by a reload.  So
 * it is there for workers that start, for a server that restarts, and for
 * whoever looks into pg_settings; a rollback does not undo it.
 */
static void
write_paused(const char *value)
{
	AlterSystemStmt *statement = makeNode(AlterSystemStmt);
	A_Const			*constant = makeNode(A_Const);

	cdr_stats_require();
	constant->val.sval.type = T_String;
	constant->val.sval.sval = pstrdup(value);
	constant->location = -1;
	statement->setstmt = makeNode(VariableSetStmt);
	statement->setstmt->kind = VAR_SET_VALUE;
	statement->setstmt->name = "cdr_service.paused";
	statement->setstmt->args = list_make1(constant);
	alter_system(statement);
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
	write_paused("on");
	request_reload();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(cdr_resume);

Datum
cdr_resume(PG_FUNCTION_ARGS)
{
	/* first what needs a right, last what has the workers look */
	write_paused("off");
	cdr_crashes_forget_all();
	request_reload();
	PG_RETURN_VOID();
}
