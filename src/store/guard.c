/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The guard over the data: tables that hold rows are not dropped, unless
 *	  cdr_service.allow_drop is on.
 *
 * The check sits where the server drops an object, because only there it is
 * known what a DROP EXTENSION, DROP SCHEMA, DROP OWNED or CASCADE takes with
 * it.  The hook lives in the library; where that is not preloaded, an event
 * trigger in C brings it in before such a command runs.
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
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/guc.h"
#include "store/guard.h"
#include "store/tables.h"

static object_access_hook_type previous_object_access_hook = NULL;

/* A table of the extension, or a partition of one? */
static bool
is_ours(Oid relation)
{
	Oid extension = get_extension_oid(CDR_EXTENSION_NAME, true);
	Oid top = relation;

	if (!OidIsValid(extension))
		return false;
	if (get_rel_relispartition(relation))
		top = get_partition_parent(relation, true);
	return getExtensionOfObject(RelationRelationId, top) == extension ||
		   getExtensionOfObject(RelationRelationId, relation) == extension;
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
	char *name;

	if (cdr_allow_drop || get_rel_relkind(relation) != RELKIND_RELATION ||
		!is_ours(relation) || !holds_rows(relation))
		return;
	name = get_rel_name(relation);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot drop table \"%s\" because it holds rows", name),
			 errdetail("Dropping it, or extension \"%s\", would lose call "
					   "detail records for good.",
					   CDR_EXTENSION_NAME),
			 errhint("Detach a partition before dropping it, or set "
					 "cdr_service.allow_drop to on if the rows may go.")));
}

static void
guard_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
					int sub_id, void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class_id, object_id, sub_id,
									argument);
	if (access == OAT_DROP && class_id == RelationRelationId && sub_id == 0 &&
		!IsBinaryUpgrade)
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

PG_FUNCTION_INFO_V1(cdr_guard_drops);

/* Called before a command that may drop tables; to be loaded is its work. */
Datum
cdr_guard_drops(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as an event trigger",
						"cdr_guard_drops")));
	PG_RETURN_VOID();
}
