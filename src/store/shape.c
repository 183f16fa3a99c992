/*-------------------------------------------------------------------------
 *
 * shape.c
 *	  What this library needs the tables to be like: kind, columns and keys.
 *
 * The tables are the DBA's, who may add whatever he likes.  What is looked at is
 * only what the statements write and read, because what they read is taken for
 * what it is declared to be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "partitioning/partdefs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "call/columns.h"
#include "store/shape.h"
#include "store/table_columns.h"

/* Columns of a key, at most. */
#define KEY_MAX 3

typedef struct ColumnShape
{
	const char *name;
	Oid			type;
	bool		not_null;
	bool		is_derived; /* computed by PostgreSQL, not written by us */
} ColumnShape;

/* clang-format off */

#define SHAPE(name, type, comment) {#name, CDR_OID_##type, CDR_ALWAYS_##type, false},
#define DERIVED(name, type) {#name, CDR_OID_##type, false, true},
#define KEY_SHAPE(name, type, comment) SHAPE(name, CALL_ID, comment)

static const ColumnShape call_events_columns[] = {
	CDR_LOG_COLUMNS(SHAPE)
};
static const ColumnShape calls_columns[] = {
	CDR_CALL_KEY(KEY_SHAPE)
	CDR_CALL_VALUES(SHAPE)
	CDR_DERIVED_COLUMNS(DERIVED)
};
static const ColumnShape dead_letters_columns[] = {
	CDR_LETTER_COLUMNS(SHAPE)
};
static const ColumnShape timeless_events_columns[] = {
	CDR_TIMELESS_COLUMNS(SHAPE)
};

/* clang-format on */

/* Also what is its key, by which a repetition is recognised. */
static const struct
{
	char			   kind;
	const ColumnShape *columns;
	int				   ncolumns;
	const char		  *key[KEY_MAX + 1]; /* ended by NULL */
	const char		  *hint;			 /* for a key that is missing */
} shapes[CDR_NTABLES] = {
	[CDR_CALL_EVENTS] = {RELKIND_PARTITIONED_TABLE,
						 call_events_columns,
						 lengthof(call_events_columns),
						 {"call_id", "event_id", "event_time"},
						 "Run ALTER TABLE call_events ADD PRIMARY KEY"
						 " (call_id, event_id, event_time)."},
	[CDR_CALLS] = {RELKIND_RELATION,
				   calls_columns,
				   lengthof(calls_columns),
				   {"call_id"},
				   "Run ALTER TABLE calls ADD PRIMARY KEY (call_id)."},
	[CDR_DEAD_LETTERS] =
		{RELKIND_RELATION,
		 dead_letters_columns,
		 lengthof(dead_letters_columns),
		 {"event_id"},
		 "Run ALTER TABLE dead_letters ADD PRIMARY KEY (event_id)."},
	[CDR_TIMELESS_EVENTS] = {RELKIND_RELATION,
							 timeless_events_columns,
							 lengthof(timeless_events_columns),
							 {"call_id", "event_id"},
							 "Run ALTER TABLE timeless_events ADD PRIMARY KEY"
							 " (call_id, event_id)."},
};

#define REFUSE(rel, ...) shape_refuse(why, rel, psprintf(__VA_ARGS__))

static bool
shape_refuse(CdrReasonBuffer *why, Relation rel, const char *what)
{
	return cdr_fail(why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					"table \"%s\" does not fit: %s",
					RelationGetRelationName(rel), what);
}

static bool
check_kind(Relation rel, char kind, CdrReasonBuffer *why)
{
	PartitionKey key;

	if (rel->rd_rel->relkind != kind)
		return REFUSE(rel, "it is no %s",
					  kind == RELKIND_PARTITIONED_TABLE ? "partitioned table"
														: "ordinary table");
	if (kind != RELKIND_PARTITIONED_TABLE)
		return true;
	key = RelationGetPartitionKey(rel);
	if (key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 ||
		key->partattrs[0] != get_attnum(RelationGetRelid(rel), "event_time"))
		return REFUSE(rel, "it is not partitioned by range of event_time");
	return true;
}

/* What is written has to come back as it was: so times keep all their digits. */
static bool
is_type(Oid type, int32 typmod, Oid wanted)
{
	Oid base = getBaseTypeAndTypmod(type, &typmod);

	if (base == TIMESTAMPTZOID && typmod >= 0 &&
		typmod < MAX_TIMESTAMP_PRECISION)
		return false;
	return base == wanted || (wanted == TEXTOID && base == VARCHAROID);
}

/* A column that is there: is it what is written or read? */
static bool
check_column(Relation rel, const ColumnShape *shape, Form_pg_attribute column,
			 CdrReasonBuffer *why)
{
	if (!is_type(column->atttypid, column->atttypmod, shape->type))
		return REFUSE(
			rel, "column \"%s\" has type %s instead of %s", shape->name,
			format_type_with_typemod(column->atttypid, column->atttypmod),
			format_type_be(shape->type));
	if (shape->is_derived && column->attgenerated == '\0')
		return REFUSE(rel, "column \"%s\" is not generated", shape->name);
	if (!shape->is_derived && column->attgenerated != '\0')
		return REFUSE(rel, "column \"%s\" is generated", shape->name);
	if (shape->not_null &&
		!cdr_column_is_not_null(RelationGetDescr(rel), column->attnum))
		return REFUSE(rel, "column \"%s\" allows nulls", shape->name);
	if (shape->type == TEXTOID && shape->not_null &&
		OidIsValid(column->attcollation) &&
		!get_collation_isdeterministic(column->attcollation))
		return REFUSE(rel, "column \"%s\" has a nondeterministic collation",
					  shape->name);
	return true;
}

static bool
check_columns(CdrTable table, Relation rel, CdrReasonBuffer *why)
{
	for (int i = 0; i < shapes[table].ncolumns; i++)
	{
		const ColumnShape *shape = &shapes[table].columns[i];
		AttrNumber number = get_attnum(RelationGetRelid(rel), shape->name);

		if (number > 0 &&
			!check_column(rel, shape,
						  TupleDescAttr(RelationGetDescr(rel), number - 1),
						  why))
			return false;
	}
	return true;
}

static bool
has_column(Relation rel, const char *name, CdrReasonBuffer *why)
{
	if (get_attnum(RelationGetRelid(rel), name) > 0)
		return true;
	(void) REFUSE(rel, "column \"%s\" is missing", name);
	why->reason.sqlerrcode = ERRCODE_UNDEFINED_COLUMN;
	why->reason.hint = "Run cdr_update_tables().";
	return false;
}

/* Is a valid, immediate, complete unique index over exactly these columns? */
static bool
is_key(Relation rel, Oid index, const char *const *key)
{
	HeapTuple	  tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	int			  nkeys = 0;
	bool		  result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_index) GETSTRUCT(tuple);
	result = form->indisunique && form->indimmediate && form->indisvalid &&
			 form->indisready &&
			 heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			 heap_attisnull(tuple, Anum_pg_index_indexprs, NULL);
	for (; key[nkeys] != NULL; nkeys++)
	{
		AttrNumber number = get_attnum(RelationGetRelid(rel), key[nkeys]);
		bool	   found = false;

		for (int i = 0; i < form->indnkeyatts; i++)
			found = found || form->indkey.values[i] == number;
		result = result && found;
	}
	result = result && form->indnkeyatts == nkeys;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Would two different keys be one to the index?  ON CONFLICT takes any unique
 * index over the key, beside the one that is looked for.
 */
static bool
is_loose(Oid index)
{
	HeapTuple  tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	oidvector *collations;
	bool	   isnull;
	bool	   result = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	collations = (oidvector *) DatumGetPointer(SysCacheGetAttr(
		INDEXRELID, tuple, Anum_pg_index_indcollation, &isnull));
	for (int i = 0; !isnull && i < collations->dim1; i++)
		result =
			result || (OidIsValid(collations->values[i]) &&
					   !get_collation_isdeterministic(collations->values[i]));
	ReleaseSysCache(tuple);
	return result;
}

bool
cdr_shape_resembles(CdrTable table, Oid relation, CdrReasonBuffer *why)
{
	Relation rel = relation_open(relation, NoLock);
	bool	 result = check_kind(rel, shapes[table].kind, why) &&
				  check_columns(table, rel, why);

	/* one without them is another table, and is not to be completed */
	for (const char *const *key = shapes[table].key; result && *key; key++)
	{
		if (get_attnum(relation, *key) <= 0)
			result = REFUSE(rel, "column \"%s\" is missing", *key);
	}
	relation_close(rel, NoLock);
	return result;
}

bool
cdr_shape_has_key(CdrTable table, Oid relation, CdrReasonBuffer *why)
{
	Relation  rel = relation_open(relation, NoLock);
	List	 *indexes = RelationGetIndexList(rel);
	ListCell *cell;
	bool	  found = false;
	Oid		  loose = InvalidOid;

	foreach (cell, indexes)
	{
		if (!is_key(rel, lfirst_oid(cell), shapes[table].key))
			continue;
		found = true;
		if (is_loose(lfirst_oid(cell)))
			loose = lfirst_oid(cell);
	}
	list_free(indexes);
	if (OidIsValid(loose))
		found = REFUSE(rel, "index \"%s\" has a nondeterministic collation",
					   get_rel_name(loose));
	else if (!found)
	{
		(void) REFUSE(rel, "it has no valid primary key");
		why->reason.hint = shapes[table].hint;
	}
	relation_close(rel, NoLock);
	return found;
}

/* What is unlogged is gone after a crash, acknowledged or not. */
bool
cdr_shape_is_permanent(const List *members, CdrReasonBuffer *why)
{
	ListCell *cell;

	foreach (cell, members)
	{
		Oid relation = lfirst_oid(cell);

		if (get_rel_persistence(relation) == RELPERSISTENCE_PERMANENT)
			continue;
		if (get_rel_relispartition(relation))
			return cdr_fail(
				why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				"partition \"%s\" of table \"%s\" does not fit: it is not "
				"permanent",
				get_rel_name(relation),
				get_rel_name(get_partition_parent(relation, true)));
		return cdr_fail(why, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						"table \"%s\" does not fit: it is not permanent",
						get_rel_name(relation));
	}
	return true;
}

bool
cdr_shape_has_columns(CdrTable table, Oid relation, CdrReasonBuffer *why)
{
	Relation rel = relation_open(relation, NoLock);
	bool	 result = true;

	for (int i = 0; result && i < shapes[table].ncolumns; i++)
		result = has_column(rel, shapes[table].columns[i].name, why);
	relation_close(rel, NoLock);
	return result;
}
