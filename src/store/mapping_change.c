/*-------------------------------------------------------------------------
 *
 * mapping_change.c
 *	  SQL: the triggers of the table cdr_mappings.
 *
 * A definition that the library cannot read is refused, with its place.  But a row
 * that has its id already comes from a dump, maybe of a newer library: it is taken
 * as it is, with a warning, so that a restore brings all back; what is read by it
 * meanwhile is said in mapping_cache.c.
 *
 * The id of a version is what the log records.  It follows from name, version and
 * definition: so none is ever given to two different ones, wherever they come from,
 * and one that was lost is the same when it is inserted again.
 *
 * Who adds or enables one locks out others who do, until the transaction ends: so
 * that they see each other's versions, and count what is enabled.  Batches do not
 * need that lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/identity.h"
#include "event/mapping_compile.h"
#include "store/locks.h"
#include "store/mapping_table.h"
#include "store/mapping_zones.h"
#include "store/writer_query.h"

/* A row that is about to be written or deleted. */
typedef struct Change
{
	Relation		 table;
	CdrMappingPlaces places;
	HeapTuple		 tuple;
	Datum			 values[CDR_MAPPING_NCOLUMNS];
	bool			 nulls[CDR_MAPPING_NCOLUMNS];
} Change;

static void
read_change(Change *change, Relation table, HeapTuple tuple)
{
	CdrReasonBuffer why;

	change->table = table;
	change->tuple = tuple;
	if (!cdr_mapping_places(RelationGetDescr(table), &change->places, &why))
		cdr_throw(&why.reason);
	for (int c = 0; c < CDR_MAPPING_NCOLUMNS; c++)
		change->values[c] =
			heap_getattr(tuple, change->places.numbers[c],
						 RelationGetDescr(table), &change->nulls[c]);
}

/* The tuple with a value of ours in it. */
static void
set_value(Change *change, CdrMappingColumn column, int value)
{
	int	  number = change->places.numbers[column];
	bool  isnull = false;
	Datum datum = Int32GetDatum(value);

	change->values[column] = datum;
	change->nulls[column] = false;
	change->tuple = heap_modify_tuple_by_cols(change->tuple,
											  RelationGetDescr(change->table),
											  1, &number, &datum, &isnull);
}

/* ------------------------------------------------------------------------
 * A new version
 * ------------------------------------------------------------------------
 */

static void
refuse_definition(const CdrReason *reason, const char *name, bool is_restored)
{
	ereport(is_restored ? WARNING : ERROR,
			(errcode(reason->sqlerrcode), errmsg("%s", reason->message),
			 errcontext("mapping \"%s\"", name),
			 reason->detail ? errdetail("%s", reason->detail) : 0,
			 reason->hint ? errhint("%s", reason->hint) : 0));
}

static void
check_definition(const Change *change, bool is_restored)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service mapping", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	char		 *name = TextDatumGetCString(change->values[CDR_MAPPING_NAME]);
	text *definition = DatumGetTextPP(change->values[CDR_MAPPING_DEFINITION]);
	CdrMappings		*set = cdr_mappings_begin(&cdr_mapping_zones);
	const CdrReason *reason = cdr_mappings_add(
		set, name, 1, VARDATA_ANY(definition), VARSIZE_ANY_EXHDR(definition));

	MemoryContextSwitchTo(outer);
	if (reason != NULL)
		refuse_definition(reason, name, is_restored);
	MemoryContextDelete(context);
}

/* The first 31 bits of a hash, never 0. */
static int
id_of(const Change *change)
{
	StringInfoData bytes;
	pg_uuid_t	   id;
	CdrDigest	   digest;
	uint32		   bits;

	initStringInfo(&bytes);
	appendStringInfo(&bytes, "%s%c%d%c",
					 TextDatumGetCString(change->values[CDR_MAPPING_NAME]), 0,
					 DatumGetInt32(change->values[CDR_MAPPING_VERSION]), 0);
	appendStringInfoString(
		&bytes, TextDatumGetCString(change->values[CDR_MAPPING_DEFINITION]));
	cdr_identity_of(NULL, 0, bytes.data, bytes.len, &id, &digest);
	bits = ((uint32) id.data[0] << 24 | (uint32) id.data[1] << 16 |
			(uint32) id.data[2] << 8 | id.data[3]) &
		   PG_INT32_MAX;
	pfree(bytes.data);
	return bits == 0 ? 1 : (int) bits;
}

/* All rows, after the lock. */
static List *
other_rows(const Change *change)
{
	CdrReasonBuffer why;
	bool			done;
	List		   *rows;

	cdr_lock_mappings();
	/* what this command has done so far */
	CommandCounterIncrement();
	rows =
		cdr_mapping_rows(RelationGetRelid(change->table), false, &done, &why);
	if (!done)
		cdr_throw(&why.reason);
	return rows;
}

/* How many names are enabled beside one? */
static int
count_enabled(const List *rows, const char *name)
{
	List	 *names = NIL;
	ListCell *cell;

	foreach (cell, rows)
	{
		const CdrMappingRow *row = lfirst(cell);
		String				*value = makeString(pstrdup(row->name));

		if (row->enabled && strcmp(row->name, name) != 0)
			names = list_append_unique(names, value);
	}
	return list_length(names);
}

static void
check_number(const List *rows, const char *name)
{
	if (count_enabled(rows, name) < CDR_MAPPINGS_MAX)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("cannot enable more than %d mappings", CDR_MAPPINGS_MAX),
			 errhint("Disable one: UPDATE cdr_mappings SET enabled = false "
					 "WHERE name = ...")));
}

static int
next_version(const List *rows, const char *name)
{
	int		  latest = 0;
	ListCell *cell;

	foreach (cell, rows)
	{
		const CdrMappingRow *row = lfirst(cell);

		if (strcmp(row->name, name) == 0)
			latest = Max(latest, row->version);
	}
	if (latest == PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("mapping \"%s\" has no more versions", name)));
	return latest + 1;
}

static bool
is_enabled(const Change *change)
{
	return !change->nulls[CDR_MAPPING_ENABLED] &&
		   DatumGetBool(change->values[CDR_MAPPING_ENABLED]);
}

/* What is null is left to the constraints. */
static void
add_version(Change *change)
{
	bool		is_restored = !change->nulls[CDR_MAPPING_ID];
	List	   *rows;
	const char *name;

	if (change->nulls[CDR_MAPPING_NAME] ||
		change->nulls[CDR_MAPPING_DEFINITION])
		return;
	name = TextDatumGetCString(change->values[CDR_MAPPING_NAME]);
	check_definition(change, is_restored);
	rows = other_rows(change);
	if (is_enabled(change))
		check_number(rows, name);
	if (change->nulls[CDR_MAPPING_VERSION])
		set_value(change, CDR_MAPPING_VERSION, next_version(rows, name));
	if (!is_restored)
		set_value(change, CDR_MAPPING_ID, id_of(change));
}

/* ------------------------------------------------------------------------
 * One that is there
 * ------------------------------------------------------------------------
 */

static bool
is_same_value(const Change *before, const Change *after,
			  CdrMappingColumn column)
{
	Form_pg_attribute attribute = TupleDescAttr(
		RelationGetDescr(after->table), after->places.numbers[column] - 1);

	return before->nulls[column] == after->nulls[column] &&
		   (after->nulls[column] ||
			datum_image_eq(before->values[column], after->values[column],
						   attribute->attbyval, attribute->attlen));
}

static void
check_update(const Change *before, const Change *after)
{
	for (int c = 0; c < CDR_MAPPING_NCOLUMNS; c++)
	{
		if (c != CDR_MAPPING_ENABLED && c != CDR_MAPPING_PRIORITY &&
			!is_same_value(before, after, c))
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a version of a mapping is never changed"),
				 errdetail("Only \"enabled\" and \"priority\" may be."),
				 errhint("Insert the definition once more, which makes the "
						 "next version.")));
	}
	if (is_enabled(after) && !is_enabled(before))
		check_number(other_rows(after),
					 TextDatumGetCString(after->values[CDR_MAPPING_NAME]));
}

/* Does the log name a version?  Looked up by the role that writes it. */
static bool
is_recorded(int id)
{
	CdrTables tables;
	CdrRights rights;
	Oid		  types[] = {INT4OID};
	Datum	  values[] = {Int32GetDatum(id)};
	bool	  found;

	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	if (SPI_execute_with_args(
			psprintf("SELECT FROM %s.call_events WHERE mapping = $1",
					 tables.quoted),
			1, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	found = SPI_processed > 0;
	cdr_writer_query_close(&rights);
	return found;
}

static void
check_delete(const Change *change)
{
	if (change->nulls[CDR_MAPPING_ID] ||
		!is_recorded(DatumGetInt32(change->values[CDR_MAPPING_ID])))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_IN_USE),
		 errmsg("cannot delete version %d of mapping \"%s\"",
				DatumGetInt32(change->values[CDR_MAPPING_VERSION]),
				TextDatumGetCString(change->values[CDR_MAPPING_NAME])),
		 errdetail("There are events in call_events that were read by it, and "
				   "could not be read again without it."),
		 errhint("Disable it instead: UPDATE cdr_mappings SET enabled = "
				 "false WHERE name = ...")));
}

/* ------------------------------------------------------------------------
 * The triggers
 * ------------------------------------------------------------------------
 */

static TriggerData *
require_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function is a trigger, and nothing else can call "
						"it")));
	return (TriggerData *) fcinfo->context;
}

static void
refuse_truncate(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("mappings are not truncated"),
			 errdetail("Events that were read by them could not be read "
					   "again."),
			 errhint("Delete those that the log does not name.")));
}

PG_FUNCTION_INFO_V1(cdr_change_mapping);

Datum
cdr_change_mapping(PG_FUNCTION_ARGS)
{
	TriggerData *data = require_trigger(fcinfo);
	Change		 before;
	Change		 after;

	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		refuse_truncate();
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!TRIGGER_FIRED_BEFORE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger must be one for each row, before it")));
	read_change(&before, data->tg_relation, data->tg_trigtuple);
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		add_version(&before);
		return PointerGetDatum(before.tuple);
	}
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
	{
		check_delete(&before);
		return PointerGetDatum(data->tg_trigtuple);
	}
	read_change(&after, data->tg_relation, data->tg_newtuple);
	check_update(&before, &after);
	return PointerGetDatum(data->tg_newtuple);
}

PG_FUNCTION_INFO_V1(cdr_spread_mapping);

/* Sent to all processes when the transaction commits. */
Datum
cdr_spread_mapping(PG_FUNCTION_ARGS)
{
	TriggerData *data = require_trigger(fcinfo);

	CacheInvalidateRelcache(data->tg_relation);
	return PointerGetDatum(NULL);
}
