/*-------------------------------------------------------------------------
 *
 * rollup_tables.c
 *	  The tables of the rollup: where they are, read and written.
 *
 * They are written through the access methods of tables and indexes, not by
 * statements.  So a session that may change calls needs no right on them, which
 * would let it write any figures; nothing that is hung on them runs; and they can be
 * written at the end of a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/rollup_tables.h"
#include "store/tables.h"

/* Columns: bucket and quarters, dimensions, counts. */
#define FIRST_DIMENSION 2
#define FIRST_COUNT		(FIRST_DIMENSION + CDR_ROLLUP_NDIMENSIONS)
#define NCOLUMNS		(FIRST_COUNT + CDR_ROLLUP_NMEASURES)

/* ------------------------------------------------------------------------
 * Where they are
 * ------------------------------------------------------------------------
 */

static CdrRollupTables rollup_tables;
static bool			   rollup_is_found = false;

static void
forget_rollup_tables(Datum argument, Oid relation)
{
	if (!OidIsValid(relation) || relation == rollup_tables.calls ||
		relation == rollup_tables.deltas || relation == rollup_tables.sums)
		rollup_is_found = false;
}

/* Has the table the columns that this library knows, as the first ones? */
static bool
has_columns_of_rollup(Oid table)
{
	Relation  rel = table_open(table, NoLock);
	TupleDesc row = RelationGetDescr(rel);
	bool	  fits = row->natts >= NCOLUMNS;

	for (int i = 0; fits && i < NCOLUMNS; i++)
	{
		Oid type = i == 0				 ? TIMESTAMPTZOID
				   : i < FIRST_DIMENSION ? INT4OID
				   : i < FIRST_COUNT	 ? TEXTOID
										 : INT8OID;

		fits = TupleDescAttr(row, i)->atttypid == type &&
			   !TupleDescAttr(row, i)->attisdropped;
	}
	table_close(rel, NoLock);
	return fits;
}

/* A table of the extension; or a stranger's of that name, which is none. */
static Oid
find_member_table(const CdrTables *tables, const char *name)
{
	Oid table = get_relname_relid(name, tables->schema);

	if (!OidIsValid(table) || get_rel_relkind(table) != RELKIND_RELATION ||
		getExtensionOfObject(RelationRelationId, table) != tables->extension)
		return InvalidOid;
	LockRelationOid(table, AccessShareLock);
	return has_columns_of_rollup(table) ? table : InvalidOid;
}

static void
look_at_calls(CdrRollupTables *found)
{
	Relation rel;

	if (!OidIsValid(found->calls))
		return;
	rel = table_open(found->calls, AccessShareLock);
	/* whatever else has that name is not read row by row */
	found->fits = rel->rd_rel->relkind == RELKIND_RELATION &&
				  cdr_rollup_columns(RelationGetDescr(rel), &found->columns);
	table_close(rel, NoLock);
}

const CdrRollupTables *
cdr_rollup_tables(void)
{
	static bool		is_registered = false;
	CdrTables		tables;
	CdrRollupTables found = {0};

	if (rollup_is_found)
		return &rollup_tables;
	if (!is_registered)
	{
		CacheRegisterRelcacheCallback(forget_rollup_tables, (Datum) 0);
		is_registered = true;
	}
	if (!cdr_tables_find(&tables))
		return NULL;
	found.extension = tables.extension;
	found.calls = tables.table[CDR_CALLS];
	found.sums = find_member_table(&tables, "cdr_rollup_sums");
	found.deltas = find_member_table(&tables, "cdr_rollup_deltas");
	if (!OidIsValid(found.deltas) || !OidIsValid(found.sums))
		return NULL;
	/* first, so that an invalidation while we look has the next one look too */
	rollup_tables = found;
	rollup_is_found = OidIsValid(found.calls);
	look_at_calls(&rollup_tables);
	return &rollup_tables;
}

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------
 */

/* The row of an entry, in the slot. */
static void
put_entry(TupleTableSlot *slot, const CdrRollupEntry *entry)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot->tts_values[0] = TimestampTzGetDatum(entry->key.bucket);
	slot->tts_values[1] = Int32GetDatum(entry->key.quarters);
	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
	{
		const CdrRollupText *text = &entry->key.text[i];

		if (text->data != NULL)
			slot->tts_values[FIRST_DIMENSION + i] = PointerGetDatum(
				cstring_to_text_with_len(text->data, text->length));
	}
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
		slot->tts_values[FIRST_COUNT + i] = Int64GetDatum(entry->counts[i]);
	memset(slot->tts_isnull, false, NCOLUMNS * sizeof(bool));
	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
		slot->tts_isnull[FIRST_DIMENSION + i] =
			entry->key.text[i].data == NULL;
	ExecStoreVirtualTuple(slot);
}

/* What a row says; the texts lie in it, or in the current memory context. */
static void
get_entry(HeapTuple row, TupleDesc columns, CdrRollupEntry *entry)
{
	Datum *values = palloc(columns->natts * sizeof(Datum));
	bool  *nulls = palloc(columns->natts * sizeof(bool));

	heap_deform_tuple(row, columns, values, nulls);
	entry->key.bucket = DatumGetTimestampTz(values[0]);
	entry->key.quarters = DatumGetInt32(values[1]);
	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
	{
		CdrRollupText *result = &entry->key.text[i];
		text		  *value;

		*result = (CdrRollupText){NULL, 0};
		if (nulls[FIRST_DIMENSION + i])
			continue;
		value = DatumGetTextPP(values[FIRST_DIMENSION + i]);
		result->data = VARDATA_ANY(value);
		result->length = (int) VARSIZE_ANY_EXHDR(value);
	}
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
		entry->counts[i] = DatumGetInt64(values[FIRST_COUNT + i]);
}

/* Rows that are written together: some pages full. */
#define ROWS_TOGETHER 64

/* Rows on their way to a table. */
typedef struct RollupWriter
{
	Relation		 rel;
	CommandId		 command;
	EState			*estate; /* its per-tuple memory holds the rows' texts */
	ResultRelInfo	*target;
	TupleTableSlot **slots;
	int				 nslots;
	int				 count; /* of slots that hold a row */
} RollupWriter;

static void
open_writer(RollupWriter *writer, Oid table, uint32 rows)
{
	writer->rel = table_open(table, RowExclusiveLock);
	writer->command = GetCurrentCommandId(true);
	writer->estate = CreateExecutorState();
	writer->target = makeNode(ResultRelInfo);
	writer->count = 0;
	writer->nslots = (int) Min(rows, ROWS_TOGETHER);
	writer->slots = palloc(writer->nslots * sizeof(TupleTableSlot *));
	for (int i = 0; i < writer->nslots; i++)
		writer->slots[i] = table_slot_create(writer->rel, NULL);
	InitResultRelInfo(writer->target, writer->rel, 0, NULL, 0);
	ExecOpenIndices(writer->target, false);
}

static void
write_rows(RollupWriter *writer)
{
	MemoryContext outer =
		MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));

	/* nobody decodes them: what changes calls is decoded, and is counted there */
	if (!RelationIsLogicallyLogged(writer->rel))
		table_multi_insert(writer->rel, writer->slots, writer->count,
						   writer->command, 0, NULL);
	else
	{
		/* only rows that are written alone can be left out */
		for (int i = 0; i < writer->count; i++)
			table_tuple_insert(writer->rel, writer->slots[i], writer->command,
							   TABLE_INSERT_NO_LOGICAL, NULL);
	}
	for (int i = 0; writer->target->ri_NumIndices > 0 && i < writer->count;
		 i++)
		cdr_insert_index_tuples(writer->target, writer->slots[i],
								writer->estate);
	MemoryContextSwitchTo(outer);
	ResetPerTupleExprContext(writer->estate);
	writer->count = 0;
}

static void
close_writer(RollupWriter *writer)
{
	if (writer->count > 0)
		write_rows(writer);
	ExecCloseIndices(writer->target);
	for (int i = 0; i < writer->nslots; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	pfree(writer->slots);
	FreeExecutorState(writer->estate);
	table_close(writer->rel, NoLock);
}

typedef CdrRollupEntry *EntryToWrite;

#define ST_SORT			sort_entries
#define ST_ELEMENT_TYPE EntryToWrite
#define ST_COMPARE(a, b)                         \
	(((*(a))->key.bucket > (*(b))->key.bucket) - \
	 ((*(a))->key.bucket < (*(b))->key.bucket))
#define ST_SCOPE static
#define ST_DECLARE
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * By buckets, as they are read: some thousand at once, in the order of a hash, would lie
 * on as many pages.
 */
void
cdr_rollup_write(Oid table, const CdrRollup *rollup)
{
	RollupWriter	writer;
	CdrRollupCursor cursor = {rollup, 0};
	EntryToWrite   *entries;
	CdrRollupEntry *entry;
	uint32			count = 0;

	if (cdr_rollup_size(rollup) == 0)
		return;
	entries = palloc_extended(cdr_rollup_size(rollup) * sizeof(*entries),
							  MCXT_ALLOC_HUGE);
	while ((entry = cdr_rollup_next(&cursor)) != NULL)
	{
		if (!cdr_rollup_is_zero(entry))
			entries[count++] = entry;
	}
	sort_entries(entries, count);
	open_writer(&writer, table, cdr_rollup_size(rollup));
	for (uint32 i = 0; i < count; i++)
	{
		MemoryContext outer;

		if (writer.count == ROWS_TOGETHER)
			write_rows(&writer);
		outer = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer.estate));
		put_entry(writer.slots[writer.count++], entries[i]);
		MemoryContextSwitchTo(outer);
	}
	close_writer(&writer);
	pfree(entries);
}

/* ------------------------------------------------------------------------
 * Scans
 * ------------------------------------------------------------------------
 */

/* The rows that a snapshot sees, of some buckets or of all. */
typedef struct RollupScan
{
	Relation	  rel;
	SysScanDesc	  scan;
	MemoryContext context; /* of a row */
} RollupScan;

/* An index on the time; InvalidOid: none. */
static Oid
index_by_bucket(Relation rel)
{
	List	 *indexes = RelationGetIndexList(rel);
	Oid		  found = InvalidOid;
	ListCell *cell;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indkey.values[0] == 1 &&
			index->rd_index->indisvalid &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
			found = lfirst_oid(cell);
		index_close(index, NoLock);
	}
	list_free(indexes);
	return found;
}

static void
open_scan(RollupScan *scan, Oid table, Snapshot snapshot, TimestampTz from,
		  TimestampTz to, LOCKMODE mode)
{
	ScanKeyData key[2];
	Oid			index;

	scan->rel = table_open(table, mode);
	scan->context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service row", ALLOCSET_DEFAULT_SIZES);
	index = index_by_bucket(scan->rel);
	ScanKeyInit(&key[0], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	ScanKeyInit(&key[1], 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(to));
	scan->scan = systable_beginscan(scan->rel, index, OidIsValid(index),
									snapshot, lengthof(key), key);
}

static HeapTuple
next_of_scan(RollupScan *scan, CdrRollupEntry *entry)
{
	HeapTuple	  row = systable_getnext(scan->scan);
	MemoryContext outer;

	CHECK_FOR_INTERRUPTS();
	if (!HeapTupleIsValid(row))
		return NULL;
	MemoryContextReset(scan->context);
	outer = MemoryContextSwitchTo(scan->context);
	get_entry(row, RelationGetDescr(scan->rel), entry);
	MemoryContextSwitchTo(outer);
	return row;
}

static void
close_scan(RollupScan *scan)
{
	systable_endscan(scan->scan);
	MemoryContextDelete(scan->context);
	table_close(scan->rel, NoLock);
}

static void
add_row_of_rollup(CdrRollup *rollup, const CdrRollupEntry *row)
{
	cdr_rollup_add(cdr_rollup_entry(rollup, &row->key)->counts, row->counts,
				   1);
}

void
cdr_rollup_read(Oid table, Snapshot snapshot, TimestampTz from, TimestampTz to,
				CdrRollup *rollup)
{
	RollupScan	   scan;
	CdrRollupEntry row;

	open_scan(&scan, table, snapshot, from, to, AccessShareLock);
	while (next_of_scan(&scan, &row) != NULL)
		add_row_of_rollup(rollup, &row);
	close_scan(&scan);
}

void
cdr_rollup_read_steps(Oid table, Snapshot snapshot, CdrRollupSteps *steps,
					  CdrRollup *rollup)
{
	RollupScan	   scan;
	CdrRollupEntry row;

	open_scan(&scan, table, snapshot, steps->bounds[0],
			  steps->bounds[steps->nsteps], AccessShareLock);
	while (next_of_scan(&scan, &row) != NULL)
	{
		if (cdr_rollup_step_key(steps, &row.key))
			add_row_of_rollup(rollup, &row);
	}
	close_scan(&scan);
}

void
cdr_rollup_read_all(Oid table, Snapshot snapshot, const CdrRollupDrain *drain,
					CdrRollup *rollup)
{
	RollupScan	   scan;
	CdrRollupEntry row;

	open_scan(&scan, table, snapshot, DT_NOBEGIN, DT_NOEND, AccessShareLock);
	while (next_of_scan(&scan, &row) != NULL)
	{
		add_row_of_rollup(rollup, &row);
		cdr_rollup_bound(rollup, drain);
	}
	close_scan(&scan);
}

int64
cdr_rollup_take(Oid table, uint32 keys_at_most, CdrRollup *rollup)
{
	Snapshot	   snapshot = RegisterSnapshot(GetLatestSnapshot());
	RollupScan	   scan;
	CdrRollupEntry entry;
	HeapTuple	   row;
	int64		   count = 0;

	open_scan(&scan, table, snapshot, DT_NOBEGIN, DT_NOEND, RowExclusiveLock);
	while ((rollup == NULL || cdr_rollup_size(rollup) < keys_at_most) &&
		   (row = next_of_scan(&scan, &entry)) != NULL)
	{
		if (rollup != NULL)
			add_row_of_rollup(rollup, &entry);
		simple_heap_delete(scan.rel, &row->t_self);
		count++;
	}
	close_scan(&scan);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	return count;
}

static int
compare_buckets(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return x < y ? -1 : x > y;
}

/* The buckets of all keys, each once. */
static TimestampTz *
list_buckets(const CdrRollup *rollup, int *count)
{
	TimestampTz *buckets =
		palloc(Max(cdr_rollup_size(rollup), 1) * sizeof(TimestampTz));
	CdrRollupCursor cursor = {rollup, 0};
	CdrRollupEntry *entry;
	int				all = 0;

	while ((entry = cdr_rollup_next(&cursor)) != NULL)
		buckets[all++] = entry->key.bucket;
	qsort(buckets, all, sizeof(TimestampTz), compare_buckets);
	*count = 0;
	for (int i = 0; i < all; i++)
	{
		if (i == 0 || buckets[i] != buckets[i - 1])
			buckets[(*count)++] = buckets[i];
	}
	return buckets;
}

void
cdr_rollup_take_keys(Oid sums, CdrRollup *rollup)
{
	Snapshot	 snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			 nbuckets;
	TimestampTz *buckets = list_buckets(rollup, &nbuckets);

	for (int i = 0; i < nbuckets; i++)
	{
		RollupScan	   scan;
		CdrRollupEntry row;
		HeapTuple	   tuple;

		open_scan(&scan, sums, snapshot, buckets[i], buckets[i],
				  RowExclusiveLock);
		while ((tuple = next_of_scan(&scan, &row)) != NULL)
		{
			CdrRollupEntry *entry = cdr_rollup_find(rollup, &row.key);

			if (entry == NULL)
				continue;
			cdr_rollup_add(entry->counts, row.counts, 1);
			simple_heap_delete(scan.rel, &tuple->t_self);
		}
		close_scan(&scan);
	}
	pfree(buckets);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
}
