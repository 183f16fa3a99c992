/*-------------------------------------------------------------------------
 *
 * mapping_table.c
 *	  The table cdr_mappings, as the library reads it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/mapping_table.h"
#include "store/tables.h"

#define TABLE_NAME "cdr_mappings"

static const struct
{
	const char *name;
	Oid			type;
} columns_known[CDR_MAPPING_NCOLUMNS] = {
	[CDR_MAPPING_ID] = {"id", INT4OID},
	[CDR_MAPPING_NAME] = {"name", TEXTOID},
	[CDR_MAPPING_VERSION] = {"version", INT4OID},
	[CDR_MAPPING_DEFINITION] = {"definition", JSONOID},
	[CDR_MAPPING_ENABLED] = {"enabled", BOOLOID},
	[CDR_MAPPING_PRIORITY] = {"priority", INT4OID},
	[CDR_MAPPING_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
	[CDR_MAPPING_CREATED_BY] = {"created_by", TEXTOID},
};

bool
cdr_mapping_places(TupleDesc columns, CdrMappingPlaces *places,
				   CdrReasonBuffer *why)
{
	memset(places, 0, sizeof(CdrMappingPlaces));
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		for (int c = 0; c < CDR_MAPPING_NCOLUMNS && !column->attisdropped; c++)
		{
			if (column->atttypid == columns_known[c].type &&
				strcmp(NameStr(column->attname), columns_known[c].name) == 0)
				places->numbers[c] = column->attnum;
		}
	}
	for (int c = 0; c < CDR_MAPPING_NCOLUMNS; c++)
	{
		if (places->numbers[c] != InvalidAttrNumber)
			continue;
		(void) cdr_fail(why, ERRCODE_UNDEFINED_COLUMN,
						"table %s has no column \"%s\" of type %s", TABLE_NAME,
						columns_known[c].name,
						format_type_be(columns_known[c].type));
		why->reason.hint = "Give the column back its name and type.";
		return false;
	}
	return true;
}

Oid
cdr_mapping_table(void)
{
	CdrTables tables;
	Oid		  table;

	if (!cdr_tables_find(&tables))
		return InvalidOid;
	table = get_relname_relid(TABLE_NAME, tables.schema);
	/* or a stranger's of that name, beside an older version of the extension */
	if (!OidIsValid(table) || get_rel_relkind(table) != RELKIND_RELATION ||
		getExtensionOfObject(RelationRelationId, table) != tables.extension)
		return InvalidOid;
	return table;
}

/* What a row says; NULL where a value is null that never is. */
static CdrMappingRow *
mapping_of_slot(TupleTableSlot *slot, const CdrMappingPlaces *places,
				bool with_definition)
{
	CdrMappingRow *row = palloc0(sizeof(CdrMappingRow));
	Datum		   values[CDR_MAPPING_NCOLUMNS];

	for (int c = 0; c < CDR_MAPPING_NCOLUMNS; c++)
	{
		bool isnull;

		values[c] = slot_getattr(slot, places->numbers[c], &isnull);
		if (isnull)
			return NULL;
	}
	row->id = DatumGetInt32(values[CDR_MAPPING_ID]);
	row->name = TextDatumGetCString(values[CDR_MAPPING_NAME]);
	row->version = DatumGetInt32(values[CDR_MAPPING_VERSION]);
	row->enabled = DatumGetBool(values[CDR_MAPPING_ENABLED]);
	row->priority = DatumGetInt32(values[CDR_MAPPING_PRIORITY]);
	if (with_definition)
	{
		text *definition = DatumGetTextPCopy(values[CDR_MAPPING_DEFINITION]);

		row->definition = VARDATA(definition);
		row->length = VARSIZE(definition) - VARHDRSZ;
	}
	return row;
}

List *
cdr_mapping_rows(Oid table, bool with_definitions, bool *done,
				 CdrReasonBuffer *why)
{
	Relation		 rel = table_open(table, NoLock);
	CdrMappingPlaces places;
	Snapshot		 snapshot;
	TableScanDesc	 scan;
	TupleTableSlot	*slot;
	List			*rows = NIL;

	*done = cdr_mapping_places(RelationGetDescr(rel), &places, why);
	if (!*done)
	{
		table_close(rel, NoLock);
		return NIL;
	}
	/* what is committed by now, whatever the transaction sees */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(table));
	scan = table_beginscan(rel, snapshot, 0, NULL);
	slot = table_slot_create(rel, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CdrMappingRow *row = mapping_of_slot(slot, &places, with_definitions);

		if (row != NULL)
			rows = lappend(rows, row);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return rows;
}
