/*-------------------------------------------------------------------------
 *
 * rights.h
 *	  As whom the tables are read and written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RIGHTS_H
#define CDR_RIGHTS_H

#include "store/tables.h"

/* Before one works on the tables as the extension's role, and to go back. */
typedef struct CdrRights
{
	Oid user;
	int security_context;
	int guc_level;
} CdrRights;

/* Who writes rows: cdr_service.role, or else the owner of calls.  ERROR for an
 * unknown role. */
extern Oid cdr_rights_writer(const CdrTables *tables);

/*
 * Becomes a role that works on the tables, in a security-restricted context
 * and under a safe search_path.  A (sub)transaction that is aborted goes back
 * by itself.  ERROR (42501) if the role is a superuser.
 */
extern void
cdr_rights_assume(const CdrTables *tables, Oid role, CdrRights *before);
extern void cdr_rights_restore(const CdrRights *before);

#endif /* CDR_RIGHTS_H */
