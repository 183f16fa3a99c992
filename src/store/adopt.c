/*-------------------------------------------------------------------------
 *
 * adopt.c
 *	  Takes tables that are there already for the extension's.
 *
 * That is the way in which a dump comes back: its tables are made before the
 * extension.  And it is the repair after pg_upgrade, which forgets that the
 * extension depends on them.
 *
 * Whoever may create objects in the schema could have made such a table, to
 * own the call records that will be written to it.  So its owner has to be
 * somebody who could take the records anyway, or nobody else may create
 * objects there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/guc.h"
#include "store/adopt.h"
#include "store/rollup_trigger.h"
#include "store/shape.h"

/* The owner of an object, from its row in a system catalog. */
static Oid
owner_in(int cache, Oid object, AttrNumber column)
{
	HeapTuple tuple = SearchSysCache1(cache, ObjectIdGetDatum(object));
	bool	  isnull;
	Oid		  owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = DatumGetObjectId(SysCacheGetAttr(cache, tuple, column, &isnull));
	ReleaseSysCache(tuple);
	return owner;
}

/* Could the role read and replace the records in any case? */
static bool
is_trusted(Oid role, Oid schema)
{
	return superuser_arg(role) || role == get_role_oid(CDR_ROLE_NAME, true) ||
		   (cdr_role[0] != '\0' && role == get_role_oid(cdr_role, true)) ||
		   role ==
			   owner_in(NAMESPACEOID, schema, Anum_pg_namespace_nspowner) ||
		   role ==
			   owner_in(DATABASEOID, MyDatabaseId, Anum_pg_database_datdba);
}

/* Does an access control list let somebody create who is not trusted? */
static bool
lets_create(ArrayType *acl, Oid schema)
{
	int16  length;
	bool   by_value;
	char   align;
	Datum *items;
	int	   count;

	get_typlenbyvalalign(ACLITEMOID, &length, &by_value, &align);
	deconstruct_array(acl, ACLITEMOID, length, by_value, align, &items, NULL,
					  &count);
	for (int i = 0; i < count; i++)
	{
		AclItem *item = DatumGetAclItemP(items[i]);

		if ((ACLITEM_GET_PRIVS(*item) & ACL_CREATE) != 0 &&
			(item->ai_grantee == ACL_ID_PUBLIC ||
			 !is_trusted(item->ai_grantee, schema)))
			return true;
	}
	return false;
}

/* May somebody create objects in the schema who is not trusted? */
static bool
is_open(Oid schema)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	bool	  isnull;
	bool	  result;
	Datum	  acl;

	if (!HeapTupleIsValid(tuple))
		return true;
	acl = SysCacheGetAttr(NAMESPACEOID, tuple, Anum_pg_namespace_nspacl,
						  &isnull);
	/* without a list, it is the owner's alone */
	result = !isnull && lets_create(DatumGetArrayTypePCopy(acl), schema);
	ReleaseSysCache(tuple);
	return result;
}

static void
check_owner(const CdrTables *tables, Oid relation)
{
	Oid owner = owner_in(RELOID, relation, Anum_pg_class_relowner);

	if (is_trusted(owner, tables->schema) || !is_open(tables->schema))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("table \"%s\" belongs to role \"%s\" and is not adopted",
				get_rel_name(relation), GetUserNameFromId(owner, true)),
		 errdetail("Roles that are not trusted may create objects in schema "
				   "%s, so the table could be anybody's.",
				   tables->quoted),
		 errhint(
			 "Drop or rename the table, or give it to the owner of the "
			 "schema; or, if it is yours, revoke CREATE on the schema from "
			 "those roles.")));
}

static void
check_shape(CdrTable table, Oid relation)
{
	CdrReasonBuffer why = {0};

	if (!cdr_shape_resembles(table, relation, &why))
		ereport(ERROR,
				(errcode(why.reason.sqlerrcode),
				 errmsg("%s", why.reason.message),
				 errhint("It stands where extension \"%s\" has a table of its "
						 "own. Rename it, or create the extension in another "
						 "schema.",
						 CDR_EXTENSION_NAME)));
}

/*
 * pg_upgrade brings the extension and all of its tables, but not that it
 * depends on them: then they were adopted once, and their owners looked at.  An
 * extension that depends on other tables is not upgraded: those were renamed or
 * moved, and what stands in their place is anybody's.
 */
static bool
is_upgraded(const CdrTables *tables)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!OidIsValid(tables->table[t]))
			return false;
	}
	return !cdr_tables_were_adopted(tables->extension);
}

/* What was renamed, and has been replaced since, is any table. */
static void
let_others_go(const CdrTables *tables)
{
	Relation	rel = table_open(DependRelationId, RowExclusiveLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(tables->extension));
	scan = systable_beginscan(rel, DependDependerIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend entry = (Form_pg_depend) GETSTRUCT(tuple);
		bool		   is_ours = entry->refclassid != RelationRelationId;

		for (CdrTable t = 0; t < CDR_NTABLES; t++)
			is_ours = is_ours || entry->refobjid == tables->table[t];
		if (!is_ours)
			CatalogTupleDelete(rel, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
}

/* Without the log, the keys of its events mean nothing: they go with it. */
static void
tie_keys_to_log(const CdrTables *tables)
{
	Oid			  keys = tables->table[CDR_TIMELESS_EVENTS];
	ObjectAddress dependent;
	ObjectAddress log;

	if (!OidIsValid(keys) || !OidIsValid(tables->table[CDR_CALL_EVENTS]))
		return;
	(void) deleteDependencyRecordsForClass(
		RelationRelationId, keys, RelationRelationId, DEPENDENCY_AUTO);
	ObjectAddressSet(dependent, RelationRelationId, keys);
	ObjectAddressSet(log, RelationRelationId, tables->table[CDR_CALL_EVENTS]);
	recordDependencyOn(&dependent, &log, DEPENDENCY_AUTO);
}

void
cdr_adopt(const CdrTables *tables, bool creating)
{
	bool upgraded = !creating && is_upgraded(tables);

	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		Oid			  relation = tables->table[t];
		ObjectAddress extension;
		ObjectAddress table;

		if (!OidIsValid(relation) ||
			cdr_table_is_adopted(tables->extension, relation))
			continue;
		check_shape(t, relation);
		if (!upgraded)
			check_owner(tables, relation);
		ObjectAddressSet(extension, ExtensionRelationId, tables->extension);
		ObjectAddressSet(table, RelationRelationId, relation);
		recordDependencyOn(&extension, &table, DEPENDENCY_NORMAL);
	}
	let_others_go(tables);
	tie_keys_to_log(tables);
	CommandCounterIncrement();
	cdr_rollup_hang(tables);
}
