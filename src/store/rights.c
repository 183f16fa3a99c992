/*-------------------------------------------------------------------------
 *
 * rights.c
 *	  As whom the tables are read and written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/guc.h"
#include "store/rights.h"

Oid
cdr_rights_writer(const CdrTables *tables)
{
	return cdr_role[0] == '\0' ? tables->owner : get_role_oid(cdr_role, false);
}

/* A superuser's rights are lent to nobody: refuses to run code of a role's. */
static void
refuse_code_of(Oid role, Oid relation, const char *what)
{
	if (superuser_arg(role))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("role \"%s\" could gain the rights of a superuser "
				"through table \"%s\"",
				GetUserNameFromId(role, true), get_rel_name(relation)),
		 errdetail("It owns %s, and cdr_service writes as a superuser.", what),
		 errhint("Set cdr_service.role to a role that only has the rights "
				 "that it needs, or give such a role all of the "
				 "tables.")));
}

/* The functions of a table's triggers, but those of its foreign keys. */
static void
check_triggers(Oid relation)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan =
		systable_beginscan(rel, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
		HeapTuple		function;

		if (trigger->tgisinternal)
			continue;
		function = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid));
		if (!HeapTupleIsValid(function))
			continue;
		refuse_code_of(((Form_pg_proc) GETSTRUCT(function))->proowner,
					   relation, "the function of a trigger on the table");
		ReleaseSysCache(function);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* A table, and its partitions. */
static void
check_code(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Form_pg_class class;
	List	 *partitions;
	ListCell *cell;

	if (!HeapTupleIsValid(tuple))
		return;
	class = (Form_pg_class) GETSTRUCT(tuple);
	refuse_code_of(class->relowner, relation, "the table");
	if (class->relhastriggers)
		check_triggers(relation);
	ReleaseSysCache(tuple);

	partitions = find_inheritance_children(relation, NoLock);
	foreach (cell, partitions)
		check_code(lfirst_oid(cell));
	list_free(partitions);
}

void
cdr_rights_assume(const CdrTables *tables, Oid role, CdrRights *before)
{
	if (superuser_arg(role))
	{
		check_code(tables->call_events);
		check_code(tables->calls);
		check_code(tables->dead_letters);
	}
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
