/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  Where the extension's tables are, and whether they are fit for use.
 *
 * The tables are those that the extension depends on (pg_depend), with the
 * names that the statements call them by: a table that merely has such a name
 * is a stranger's until it is adopted (adopt.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "store/command.h"
#include "store/tables.h"

const char *
cdr_table_name(CdrTable table)
{
	static const char *const names[CDR_NTABLES] = {
		[CDR_CALL_EVENTS] = "call_events",
		[CDR_CALLS] = "calls",
		[CDR_DEAD_LETTERS] = "dead_letters",
		[CDR_TIMELESS_EVENTS] = "timeless_events",
	};

	return names[table];
}

/* The extension, its schema and version, from its row of pg_extension. */
static bool
find_extension_row(CdrTables *tables)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(CDR_EXTENSION_NAME));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_extension form = (Form_pg_extension) GETSTRUCT(tuple);
		bool			  isnull;
		Datum version = heap_getattr(tuple, Anum_pg_extension_extversion,
									 RelationGetDescr(rel), &isnull);

		tables->extension = form->oid;
		tables->schema = form->extnamespace;
		strlcpy(tables->version, isnull ? "" : TextDatumGetCString(version),
				sizeof(tables->version));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return OidIsValid(tables->extension);
}

static Oid
owner_of(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid		  owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

bool
cdr_tables_find(CdrTables *tables)
{
	char *schema;

	memset(tables, 0, sizeof(CdrTables));
	if (!find_extension_row(tables))
		return false;
	schema = get_namespace_name(tables->schema);
	if (schema == NULL)
		return false;
	strlcpy(tables->quoted, quote_identifier(schema), sizeof(tables->quoted));
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
		tables->table[t] =
			get_relname_relid(cdr_table_name(t), tables->schema);
	if (OidIsValid(tables->table[CDR_CALLS]))
		tables->owner = owner_of(tables->table[CDR_CALLS]);
	return true;
}

void
cdr_tables_require_extension(CdrTables *tables)
{
	bool found = cdr_tables_find(tables);

	if (found)
	{
		LockDatabaseObject(ExtensionRelationId, tables->extension, 0,
						   ShareUpdateExclusiveLock);
		found = cdr_tables_find(tables);
	}
	if (!found)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("extension \"%s\" does not exist",
							   CDR_EXTENSION_NAME)));
}

bool
cdr_tables_lack_one(const CdrTables *tables)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!OidIsValid(tables->table[t]))
			return true;
	}
	return false;
}

void
cdr_tables_lock_present(const CdrTables *tables, LOCKMODE mode)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (OidIsValid(tables->table[t]))
			LockRelationOid(tables->table[t], mode);
	}
}

/* The tables that the extension depends on. */
static List *
list_tables(Oid extension)
{
	Relation	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *found = NIL;

	ScanKeyInit(&key[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, DependDependerIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend entry = (Form_pg_depend) GETSTRUCT(tuple);

		if (entry->refclassid == RelationRelationId)
			found = lappend_oid(found, entry->refobjid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Does the extension depend on a table; InvalidOid: on any? */
static bool
depends_on(Oid extension, Oid table)
{
	List *tables = list_tables(extension);
	bool  found =
		 OidIsValid(table) ? list_member_oid(tables, table) : tables != NIL;

	list_free(tables);
	return found;
}

bool
cdr_table_is_adopted(Oid extension, Oid table)
{
	return OidIsValid(table) && depends_on(extension, table);
}

bool
cdr_tables_were_adopted(Oid extension)
{
	return depends_on(extension, InvalidOid);
}

/* ------------------------------------------------------------------------
 * Fit for use, looked at once for each state of the relation cache
 * ------------------------------------------------------------------------
 */

/*
 * The tables that were found fit, until one of them is altered, or one of the
 * members: the tables with their partitions, in TopMemoryContext.
 */
static bool		 is_fit = false;
static CdrTables fit;
static Oid		*fit_members = NULL;
static int		 fit_nmembers = 0;

static void
forget_fit(Datum argument, Oid relation)
{
	if (!OidIsValid(relation))
		is_fit = false;
	for (int i = 0; is_fit && i < fit_nmembers; i++)
	{
		if (fit_members[i] == relation)
			is_fit = false;
	}
}

static void
remember_members(const List *members)
{
	int	 count = list_length(members);
	Oid *copy = MemoryContextAlloc(TopMemoryContext, count * sizeof(Oid));

	for (int i = 0; i < count; i++)
		copy[i] = list_nth_oid(members, i);
	if (fit_members != NULL)
		pfree(fit_members);
	fit_members = copy;
	fit_nmembers = count;
}

static List *
find_members(const CdrTables *tables)
{
	List *members =
		find_all_inheritors(tables->table[CDR_CALL_EVENTS], NoLock, NULL);

	for (CdrTable t = CDR_CALL_EVENTS + 1; t < CDR_NTABLES; t++)
		members = lappend_oid(members, tables->table[t]);
	return members;
}

static bool
was_found_fit(const CdrTables *tables)
{
	return is_fit && fit.extension == tables->extension &&
		   memcmp(fit.table, tables->table, sizeof(fit.table)) == 0 &&
		   strcmp(fit.version, tables->version) == 0;
}

/* Whatever of the extension's tables this library cannot work with. */
static bool
check_tables(const CdrTables *tables, const List *members,
			 CdrReasonBuffer *why)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!cdr_table_is_adopted(tables->extension, tables->table[t]))
		{
			(void) cdr_fail(why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
							"table %s.%s is not one that extension \"%s\" "
							"depends on",
							tables->quoted, cdr_table_name(t),
							CDR_EXTENSION_NAME);
			why->reason.hint = "Run cdr_adopt_tables().";
			return false;
		}
		if (!cdr_shape_resembles(t, tables->table[t], why) ||
			!cdr_shape_has_key(t, tables->table[t], why))
			return false;
	}
	if (!cdr_shape_is_permanent(members, why))
		return false;
	/* last, because these can be added once the rest fits */
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!cdr_shape_has_columns(t, tables->table[t], why))
			return false;
	}
	return true;
}

/*
 * Tables that fit are served, whatever version their extension has.  If they do
 * not, and it is another than that of the library, then that is probably why.
 */
static void
blame_version(const CdrTables *tables, CdrReasonBuffer *why)
{
	if (strcmp(tables->version, CDR_VERSION) == 0)
		return;
	snprintf(why->hint, sizeof(why->hint),
			 "The extension has version %s, and its library %s. After an "
			 "update of the library, restart the server and run ALTER "
			 "EXTENSION cdr_service UPDATE.",
			 tables->version, CDR_VERSION);
	why->reason.hint = why->hint;
}

static bool
are_fit(const CdrTables *tables, CdrReasonBuffer *why)
{
	static bool is_registered = false;
	List	   *members;
	bool		fits;

	if (was_found_fit(tables))
		return true;
	if (!is_registered)
	{
		CacheRegisterRelcacheCallback(forget_fit, (Datum) 0);
		is_registered = true;
	}
	members = find_members(tables);
	remember_members(members);
	fit = *tables;
	/* first, so that an invalidation while we look has the next one look too */
	is_fit = true;
	fits = check_tables(tables, members, why);
	if (!fits)
	{
		is_fit = false;
		blame_version(tables, why);
	}
	list_free(members);
	return fits;
}

static bool
is_in_place(const CdrTables *tables, Oid relation)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (tables->table[t] == relation)
			return true;
	}
	return false;
}

/*
 * A table that the extension depends on, and that has been renamed or moved:
 * one of the name, in another schema, if there is.  InvalidOid: none.
 */
static Oid
find_stray(const CdrTables *tables, const char *name)
{
	Oid		  found = InvalidOid;
	ListCell *cell;

	foreach (cell, list_tables(tables->extension))
	{
		Oid			table = lfirst_oid(cell);
		const char *its_name = get_rel_name(table);

		if (is_in_place(tables, table) || its_name == NULL)
			continue;
		found = table;
		if (strcmp(its_name, name) == 0)
			break;
	}
	return found;
}

/* What is looked for and where; and where it may be instead. */
static bool
are_there(const CdrTables *tables, CdrReasonBuffer *why)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		Oid stray;

		if (OidIsValid(tables->table[t]))
			continue;
		(void) cdr_fail(why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						"table %s.%s is missing", tables->quoted,
						cdr_table_name(t));
		stray = find_stray(tables, cdr_table_name(t));
		if (OidIsValid(stray))
			snprintf(why->hint, sizeof(why->hint),
					 "Table %s may be it: give it back its name and schema.",
					 cdr_quoted_name(stray));
		else
			snprintf(why->hint, sizeof(why->hint), "%s",
					 "Give it back its name and schema, or have "
					 "cdr_adopt_tables() make one.");
		why->reason.hint = why->hint;
		return false;
	}
	return true;
}

/* Locks a table; true if that had to wait. */
static bool
lock_waits(Oid relation, LOCKMODE mode)
{
	if (ConditionalLockRelationOid(relation, mode))
		return false;
	LockRelationOid(relation, mode);
	return true;
}

/* A table of the extension; a stranger's of that name is not waited for. */
static Oid
rollup_member(const CdrTables *tables, const char *name)
{
	Oid table = get_relname_relid(name, tables->schema);

	return OidIsValid(table) &&
				   getExtensionOfObject(RelationRelationId, table) ==
					   tables->extension
			   ? table
			   : InvalidOid;
}

/*
 * Who changes calls writes to the rollup, too, whose tables DROP EXTENSION locks before
 * it waits for calls: so they come first, in the order in which they were made.
 */
static bool
lock_rollup(const CdrTables *tables, LOCKMODE sums_mode, LOCKMODE deltas_mode)
{
	Oid	 sums = rollup_member(tables, "cdr_rollup_sums");
	Oid	 deltas = rollup_member(tables, "cdr_rollup_deltas");
	bool waited = false;

	if (OidIsValid(sums))
		waited = lock_waits(sums, sums_mode);
	if (OidIsValid(deltas))
		waited = lock_waits(deltas, deltas_mode) || waited;
	return waited;
}

void
cdr_tables_keep_writers_out(const CdrTables *tables)
{
	(void) lock_rollup(tables, ShareRowExclusiveLock, ShareRowExclusiveLock);
	cdr_tables_lock_present(tables, ShareRowExclusiveLock);
}

/*
 * Locks those that are needed, and the default partition of the log with it; those
 * that are only looked at, so that they stay as they are seen.  True if that had to
 * wait.
 */
static bool
lock_tables(const CdrTables *tables, unsigned needed, LOCKMODE mode)
{
	bool look = !was_found_fit(tables);
	bool waited = false;
	Oid	 default_partition;

	if (mode == RowExclusiveLock && (needed & CDR_TABLE_BIT(CDR_CALLS)))
		waited = lock_rollup(tables, AccessShareLock, RowExclusiveLock);
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (needed & CDR_TABLE_BIT(t))
			waited = lock_waits(tables->table[t], mode) || waited;
		else if (look)
			waited = lock_waits(tables->table[t], AccessShareLock) || waited;
	}
	if (!(needed & CDR_TABLE_BIT(CDR_CALL_EVENTS)))
		return waited;
	/* a DBA may do without a default partition */
	default_partition =
		get_default_partition_oid(tables->table[CDR_CALL_EVENTS]);
	return (OidIsValid(default_partition) &&
			lock_waits(default_partition, mode)) ||
		   waited;
}

CdrTablesState
cdr_tables_lock_some(CdrTables *tables, unsigned needed, LOCKMODE mode,
					 CdrReasonBuffer *why)
{
	for (;;)
	{
		uint64 seen = SharedInvalidMessageCounter;

		if (!cdr_tables_find(tables))
			return CDR_NO_EXTENSION;
		if (!are_there(tables, why))
			return CDR_TABLES_UNFIT;
		/* what we waited for, or missed, may have altered or dropped them */
		if (!lock_tables(tables, needed, mode) &&
			seen == SharedInvalidMessageCounter)
			break;
	}
	return are_fit(tables, why) ? CDR_TABLES_FIT : CDR_TABLES_UNFIT;
}

CdrTablesState
cdr_tables_lock(CdrTables *tables, LOCKMODE mode, CdrReasonBuffer *why)
{
	return cdr_tables_lock_some(tables, CDR_ALL_TABLES, mode, why);
}

void
cdr_tables_require(CdrTables *tables, LOCKMODE mode)
{
	CdrReasonBuffer why = {0};

	/* else the error would be of a statement that the caller has not written */
	if (mode > AccessShareLock)
		PreventCommandIfReadOnly("functions that write call records");
	switch (cdr_tables_lock(tables, mode, &why))
	{
		case CDR_TABLES_FIT:
			return;
		case CDR_TABLES_UNFIT:
			break;
		case CDR_NO_EXTENSION:
			(void) cdr_fail(&why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
							"extension \"%s\" does not exist",
							CDR_EXTENSION_NAME);
			break;
	}
	cdr_throw(&why.reason);
}
