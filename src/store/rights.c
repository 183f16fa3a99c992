/*-------------------------------------------------------------------------
 *
 * rights.c
 *	  As whom the tables are read and written.
 *
 * Whatever is hung on the tables (a trigger, a constraint, an index on an
 * expression, a policy) runs with the rights of whoever writes them.  So that
 * is never a superuser: then there is no door that would have to be guarded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"

#include "base/guc.h"
#include "store/rights.h"

Oid
cdr_rights_writer(const CdrTables *tables)
{
	Oid role;

	if (cdr_role[0] == '\0')
		return tables->owner;
	role = get_role_oid(cdr_role, true);
	if (!OidIsValid(role))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("role \"%s\" does not exist", cdr_role),
						errhint("Set cdr_service.role to an ordinary role, or "
								"to nothing.")));
	return role;
}

static void
refuse_superuser(const CdrTables *tables, Oid role)
{
	bool is_ours = role == get_role_oid(CDR_ROLE_NAME, true);

	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("cdr_service does not write as superuser \"%s\"",
				GetUserNameFromId(role, true)),
		 errdetail("Triggers and all else that is hung on the tables would "
				   "run with a superuser's rights."),
		 is_ours ? errhint("Run ALTER ROLE %s NOSUPERUSER.", CDR_ROLE_NAME)
		 : role == tables->owner
			 ? errhint("Run SELECT %s.cdr_adopt_tables('%s'), which gives the "
					   "tables to that role.",
					   tables->quoted, CDR_ROLE_NAME)
			 : errhint("Set cdr_service.role to an ordinary role, or to "
					   "nothing.")));
}

void
cdr_rights_assume(const CdrTables *tables, Oid role, CdrRights *before)
{
	if (superuser_arg(role))
		refuse_superuser(tables, role);
	GetUserIdAndSecContext(&before->user, &before->security_context);
	SetUserIdAndSecContext(role, before->security_context |
									 SECURITY_LOCAL_USERID_CHANGE |
									 SECURITY_RESTRICTED_OPERATION);
	before->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
cdr_rights_restore(const CdrRights *before)
{
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->user, before->security_context);
}
