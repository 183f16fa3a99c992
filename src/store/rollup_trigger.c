/*-------------------------------------------------------------------------
 *
 * rollup_trigger.c
 *	  The triggers by which changes of calls are counted.
 *
 * They see whatever changes a row: the merge, functions of the extension,
 * UPDATE by hand, COPY, a subscription.  They are internal ones, as those of foreign
 * keys are: so a dump does not have them, CREATE EXTENSION makes them before rows
 * come, and only a superuser can disable them.  They fire always, also for what is
 * replicated.
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
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "store/rollup_fold.h"
#include "store/rollup_pending.h"
#include "store/rollup_tables.h"
#include "store/rollup_trigger.h"

/* ------------------------------------------------------------------------
 * Counting
 * ------------------------------------------------------------------------
 */

/* What was changed could not be counted: nobody may take the counts for right. */
static void
spoil_rollup(void)
{
	CdrRollupKey key = {.bucket = CDR_ROLLUP_SPOILT};

	cdr_rollup_entry(cdr_rollup_pending(), &key)
		->counts[CDR_ROLLUP_attempts]++;
}

/*
 * Of a table that the extension depends on, and that is not calls by its name now,
 * or has other columns, nothing can be counted.  Any other table is a stranger's.
 */
static bool
can_be_counted(const CdrRollupTables *tables, Oid relation)
{
	if (relation == tables->calls && tables->fits)
		return true;
	if (cdr_table_is_adopted(tables->extension, relation))
		spoil_rollup();
	return false;
}

static void
count_change(const TriggerData *data, const CdrRollupColumns *columns)
{
	CdrRollup *rollup = cdr_rollup_pending();

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		cdr_rollup_count(rollup, data->tg_trigslot, columns, 1);
	else if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		cdr_rollup_count(rollup, data->tg_trigslot, columns, -1);
	else
		cdr_rollup_recount_row(rollup, data->tg_trigslot, data->tg_newslot,
							   columns);
	cdr_rollup_bound_pending();
}

PG_FUNCTION_INFO_V1(cdr_count_call);

/* Its rows may be changed by anybody who may change calls; no rights are lent but
 * to be counted. */
Datum
cdr_count_call(PG_FUNCTION_ARGS)
{
	const TriggerData	  *data = (const TriggerData *) fcinfo->context;
	const CdrRollupTables *tables;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("cdr_count_call() is a trigger of table \"calls\"")));
	tables = cdr_rollup_tables();
	if (tables == NULL ||
		!can_be_counted(tables, RelationGetRelid(data->tg_relation)))
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		(void) cdr_rollup_rebuild();
	else if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		count_change(data, &tables->columns);
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(cdr_keep_rollup);

/*
 * What the extension writes fires no trigger.  What a subscription brings is the
 * publisher's: the subscriber counts its own.
 */
Datum
cdr_keep_rollup(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("cdr_keep_rollup() is a trigger")));
	if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the rollup is not to be changed by hand"),
						errhint("cdr_rebuild_rollup() makes it anew.")));
	return PointerGetDatum(NULL);
}

/* ------------------------------------------------------------------------
 * The triggers
 * ------------------------------------------------------------------------
 */

/* The function; or a stranger's of that name, which is none. */
static Oid
counting_function(const CdrTables *tables)
{
	List *name = list_make2(makeString(get_namespace_name(tables->schema)),
							makeString("cdr_count_call"));
	Oid	  function = LookupFuncName(name, 0, NULL, true);

	if (!OidIsValid(function) ||
		getExtensionOfObject(ProcedureRelationId, function) !=
			tables->extension)
		return InvalidOid;
	return function;
}

/* How many triggers with that function fire always on calls; they are dropped, if so
 * asked, with those that do not. */
static int
look_at_triggers(const CdrTables *tables, Oid function, bool drop)
{
	/* (a standby grants no more than the weaker one) */
	Relation	rel = table_open(TriggerRelationId,
								 drop ? RowExclusiveLock : AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			firing = 0;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(tables->table[CDR_CALLS]));
	scan =
		systable_beginscan(rel, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
		ObjectAddress	trigger;

		if (form->tgfoid != function)
			continue;
		if (form->tgenabled == TRIGGER_FIRES_ALWAYS)
			firing++;
		ObjectAddressSet(trigger, TriggerRelationId, form->oid);
		if (drop)
			performDeletion(&trigger, DROP_RESTRICT,
							PERFORM_DELETION_INTERNAL);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	return firing;
}

/* One goes with the extension, without CASCADE. */
static void
make_trigger(const CdrTables *tables, Oid function, bool row, int16 events)
{
	CreateTrigStmt *statement = makeNode(CreateTrigStmt);
	ObjectAddress	trigger;
	ObjectAddress	extension;

	statement->trigname = "cdr_rollup";
	statement->row = row;
	statement->timing = TRIGGER_TYPE_AFTER;
	statement->events = events;
	trigger = CreateTriggerFiringOn(statement, NULL, tables->table[CDR_CALLS],
									InvalidOid, InvalidOid, InvalidOid,
									function, InvalidOid, NULL, true, false,
									TRIGGER_FIRES_ALWAYS);
	ObjectAddressSet(extension, ExtensionRelationId, tables->extension);
	recordDependencyOn(&trigger, &extension, DEPENDENCY_AUTO);
	CommandCounterIncrement();
}

#define TRIGGERS 2

bool
cdr_rollup_hangs(const CdrTables *tables)
{
	Oid function = counting_function(tables);

	return OidIsValid(function) &&
		   look_at_triggers(tables, function, false) == TRIGGERS;
}

void
cdr_rollup_hang(const CdrTables *tables)
{
	Oid function = counting_function(tables);

	if (!OidIsValid(function) || !OidIsValid(tables->table[CDR_CALLS]) ||
		get_rel_relkind(tables->table[CDR_CALLS]) != RELKIND_RELATION ||
		look_at_triggers(tables, function, false) == TRIGGERS)
		return;
	(void) look_at_triggers(tables, function, true);
	CommandCounterIncrement();
	make_trigger(tables, function, true,
				 TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE |
					 TRIGGER_TYPE_DELETE);
	make_trigger(tables, function, false, TRIGGER_TYPE_TRUNCATE);
	(void) cdr_rollup_rebuild();
}
