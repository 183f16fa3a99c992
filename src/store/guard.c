/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The guard over the data: tables that hold rows are not dropped, unless
 *	  cdr_service.allow_drop is on.
 *
 * The check sits where the server drops an object, because only there it is
 * known what a DROP SCHEMA, DROP OWNED or CASCADE takes with it.  The hook lives
 * in the library; where that is not preloaded, an event trigger brings it in
 * before such a command runs, or steps aside where there is no library any more
 * (guard.sql).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/guc.h"
#include "store/guard.h"
#include "store/mapping_table.h"
#include "store/tables.h"

static object_access_hook_type previous_object_access_hook = NULL;

/*
 * DROP ... CASCADE of a table drops what depends on it first, and so the
 * extension, and with it the knowledge which tables are ours.  These are the
 * tables of an extension that went that way.  (A DROP EXTENSION drops no table;
 * whoever drops one after it knows what he does.)
 */
static Oid	bereaved[CDR_NTABLES];
static bool is_drop_extension = false;

static bool
is_table_of_ours(Oid extension, Oid relation)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (bereaved[t] == relation)
			return true;
	}
	/* without its mappings, events that were read by them cannot be any more */
	return OidIsValid(extension) &&
		   (cdr_table_is_adopted(extension, relation) ||
			relation == cdr_mapping_table());
}

/* A table that the extension depends on, or a partition of one? */
static bool
is_ours(Oid relation)
{
	Oid		  extension = get_extension_oid(CDR_EXTENSION_NAME, true);
	bool	  result = is_table_of_ours(extension, relation);
	List	 *ancestors;
	ListCell *cell;

	if (result || !get_rel_relispartition(relation))
		return result;
	ancestors = get_partition_ancestors(relation);
	foreach (cell, ancestors)
		result = result || is_table_of_ours(extension, lfirst_oid(cell));
	list_free(ancestors);
	return result;
}

static void
remember_tables(Oid extension)
{
	CdrTables tables;

	if (extension != get_extension_oid(CDR_EXTENSION_NAME, true))
		return;
	if (!is_drop_extension && cdr_tables_find(&tables))
		memcpy(bereaved, tables.table, sizeof(bereaved));
	is_drop_extension = false;
}

/* The command that drops the table holds its lock already. */
static bool
holds_rows(Oid relation)
{
	Relation		rel = table_open(relation, NoLock);
	Snapshot		snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc	scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool			found;

	found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return found;
}

static void
guard_drop(Oid relation)
{
	bool  is_mappings;
	char *name;

	if (cdr_allow_drop || get_rel_relkind(relation) != RELKIND_RELATION ||
		!is_ours(relation) || !holds_rows(relation))
		return;
	is_mappings = relation == cdr_mapping_table();
	name = get_rel_name(relation);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot drop table \"%s\" because it holds rows", name),
			 is_mappings
				 ? errdetail("Events that were read by a mapping could "
							 "not be read again without it.")
				 : errdetail("Dropping it would lose call detail "
							 "records for good."),
			 is_mappings ? errhint("Copy the mappings, and set "
								   "cdr_service.allow_drop to on.")
						 : errhint("Detach a partition before dropping it, or "
								   "set cdr_service.allow_drop to on if the "
								   "rows may go.")));
}

void
cdr_guard_change(const char *table)
{
	if (InSecurityRestrictedOperation() && InLocalUserIdChange())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("events of table \"%s\" are not changed by hand", table),
			 errhint("cdr_apply_retention() takes away what has expired. To "
					 "change them all the same, run cdr_guard_log(false) "
					 "before.")));
}

/* A partition has no trigger of its own for this, and may be named in TRUNCATE. */
static void
guard_truncate(Oid relation)
{
	Oid		 extension = get_extension_oid(CDR_EXTENSION_NAME, true);
	Relation rel;

	if (!OidIsValid(extension) || !get_rel_relispartition(relation))
		return;
	rel = table_open(relation, NoLock);
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers;
		 i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (strcmp(trigger->tgname, CDR_GUARD_TRIGGER) == 0 &&
			trigger->tgenabled != TRIGGER_DISABLED &&
			getExtensionOfObject(ProcedureRelationId, trigger->tgfoid) ==
				extension)
			cdr_guard_change(RelationGetRelationName(rel));
	}
	table_close(rel, NoLock);
}

static void
guard_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
					int sub_id, void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class_id, object_id, sub_id,
									argument);
	if (access == OAT_TRUNCATE && class_id == RelationRelationId)
		guard_truncate(object_id);
	if (access != OAT_DROP || sub_id != 0 || IsBinaryUpgrade)
		return;
	if (class_id == ExtensionRelationId)
		remember_tables(object_id);
	else if (class_id == RelationRelationId)
	{
		ObjectAccessDrop *drop = argument;

		/* a rewrite of the table drops its old storage, not its rows */
		if ((drop->dropflags & PERFORM_DELETION_INTERNAL) == 0)
			guard_drop(object_id);
	}
}

void
cdr_guard_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = guard_object_access;
}

PG_FUNCTION_INFO_V1(cdr_load_guard);

/*
 * Called with the tag of a command that may drop tables, before it.  To be
 * loaded is half of its work.
 */
Datum
cdr_load_guard(PG_FUNCTION_ARGS)
{
	char *tag = text_to_cstring(PG_GETARG_TEXT_PP(0));

	memset(bereaved, 0, sizeof(bereaved));
	is_drop_extension = strcmp(tag, "DROP EXTENSION") == 0;
	PG_RETURN_VOID();
}
