/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  Where the extension's tables are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "store/tables.h"

/* The extension's schema and version, from its row of pg_extension. */
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
		bool  isnull;
		Datum version = heap_getattr(tuple, Anum_pg_extension_extversion,
									 RelationGetDescr(rel), &isnull);

		tables->schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
		strlcpy(tables->version, isnull ? "" : TextDatumGetCString(version),
				sizeof(tables->version));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return OidIsValid(tables->schema);
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

	tables->call_events = get_relname_relid("call_events", tables->schema);
	tables->call_events_default =
		get_relname_relid("call_events_default", tables->schema);
	tables->calls = get_relname_relid("calls", tables->schema);
	tables->dead_letters = get_relname_relid("dead_letters", tables->schema);
	if (!OidIsValid(tables->call_events) || !OidIsValid(tables->calls) ||
		!OidIsValid(tables->dead_letters))
		return false;
	tables->owner = owner_of(tables->calls);
	return OidIsValid(tables->owner);
}

bool
cdr_tables_are_supported(const CdrTables *tables)
{
	return strcmp(tables->version, "1.0") == 0;
}

static bool
find_supported(CdrTables *tables)
{
	return cdr_tables_find(tables) && cdr_tables_are_supported(tables);
}

bool
cdr_tables_lock(CdrTables *tables)
{
	uint64 seen = SharedInvalidMessageCounter;
	bool   waited = false;
	Oid	   relations[4];

	if (!find_supported(tables))
		return false;
	relations[0] = tables->call_events;
	relations[1] = tables->calls;
	relations[2] = tables->dead_letters;
	relations[3] = tables->call_events_default;
	for (int i = 0; i < (int) lengthof(relations); i++)
	{
		/* a DBA may do without a default partition */
		if (!OidIsValid(relations[i]))
			continue;
		if (!ConditionalLockRelationOid(relations[i], RowExclusiveLock))
		{
			waited = true;
			LockRelationOid(relations[i], RowExclusiveLock);
		}
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relations[i])))
			return false;
	}
	/* an update of the extension may have been what we waited for, or missed */
	return (!waited && seen == SharedInvalidMessageCounter) ||
		   find_supported(tables);
}

void
cdr_tables_require(CdrTables *tables)
{
	if (!cdr_tables_find(tables))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the tables of extension \"%s\" are missing",
							   CDR_EXTENSION_NAME)));
}

void
cdr_tables_require_locked(CdrTables *tables)
{
	if (cdr_tables_lock(tables))
		return;
	cdr_tables_require(tables);
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg(
			 "extension \"%s\" has version \"%s\", which its library does not support",
			 CDR_EXTENSION_NAME, tables->version),
		 errhint("After an update of the library, restart the server "
				 "and run ALTER EXTENSION %s UPDATE.",
				 CDR_EXTENSION_NAME)));
}
