/*-------------------------------------------------------------------------
 *
 * check.c
 *	  The alert rules, evaluated: in a transaction, as the role that writes, by one
 *	  session at a time.
 *
 * What a rule means is SQL (measure.sql, check.sql).  Here is as whom it runs: the
 * role that writes, in a security-restricted context, whoever asks for it.  So what
 * others hang on the tables runs with its rights, and what a rule says is data.
 *
 * A worker takes one rule in a turn, between batches, so that no batch waits for
 * longer than one rule takes, and a rule that takes too long or fails holds none of
 * the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "alert/check.h"
#include "store/locks.h"
#include "store/rights.h"
#include "store/tables.h"
#include "store/upkeep.h"

/*
 * How long one rule may take, in milliseconds: for a lock, and for all.  What it
 * does in a second it keeps (check.sql); it is cancelled where a single measurement
 * takes longer than this.
 */
#define PATIENCE_ALERTS ((CdrPatience){200, 5000})

/* Failures that are remembered, so that each is logged once. */
#define FAILURES_MAX 64

static uint32 failures[FAILURES_MAX];
static int	  nfailures = 0;

/* ------------------------------------------------------------------------
 * In a transaction
 * ------------------------------------------------------------------------
 */

/* Becomes the role that writes, with SPI ready. */
static void
alerts_open(CdrTables *tables, CdrRights *rights)
{
	cdr_rights_assume(tables, cdr_rights_writer(tables), rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

static void
alerts_close(const CdrRights *rights)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	cdr_rights_restore(rights);
}

/* Runs a query of one row with one value; NULL for null. */
static char *
ask(const char *query, int nargs, Oid *types, Datum *values)
{
	int result =
		SPI_execute_with_args(query, nargs, types, values, NULL, false, 1);

	if (result != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "unexpected result of \"%s\"", query);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* Up to when events have come, as calls tell; 0: they tell nothing. */
static TimestampTz
last_event_time(const CdrTables *tables)
{
	char *micros = ask(psprintf("SELECT (extract(epoch FROM "
								"%s.cdr_last_event_time()) * 1000000)::int8",
								tables->quoted),
					   0, NULL, NULL);

	return micros == NULL
			   ? 0
			   : pg_strtoint64(micros) -
					 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

int
cdr_alerts_check(const CdrAlertClock *clock)
{
	CdrTables	tables;
	CdrRights	rights;
	TimestampTz time;
	int			changes;
	Oid			types[2] = {TIMESTAMPTZOID, BOOLOID};
	Datum		values[2];

	cdr_tables_require(&tables, AccessShareLock);
	if (!cdr_try_lock_alerts())
		return -1;
	alerts_open(&tables, &rights);
	time = clock->time != 0 ? clock->time : last_event_time(&tables);
	values[0] = TimestampTzGetDatum(time);
	values[1] = BoolGetDatum(clock->is_complete);
	changes = pg_strtoint32(
		ask(psprintf(time != 0 ? "SELECT %s.cdr_evaluate_alert_rules($1, $2)"
							   : "SELECT %s.cdr_forget_alert_rules()",
					 tables.quoted),
			time != 0 ? 2 : 0, types, values));
	alerts_close(&rights);
	return changes;
}

/* ------------------------------------------------------------------------
 * In a worker
 * ------------------------------------------------------------------------
 */

/*
 * Has one of the extension's tables a row?  That runs nobody's code.  Where somebody
 * has locked it, this waits for the next round, and for nothing else.
 */
static bool
has_row(const CdrTables *tables, const char *name)
{
	Oid				table = get_relname_relid(name, tables->schema);
	Relation		rel;
	TableScanDesc	scan;
	TupleTableSlot *slot;
	bool			found;

	if (!OidIsValid(table) || get_rel_relkind(table) != RELKIND_RELATION ||
		getExtensionOfObject(RelationRelationId, table) != tables->extension ||
		!ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	rel = try_relation_open(table, NoLock);
	if (rel == NULL)
		return false;
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	slot = table_slot_create(rel, NULL);
	found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	relation_close(rel, NoLock);
	return found;
}

/* Is there a rule, or what is left of one?  Else nothing is locked or run. */
static bool
has_work(CdrTables *tables)
{
	return cdr_tables_find(tables) && (has_row(tables, "cdr_alert_rules") ||
									   has_row(tables, "cdr_alert_progress"));
}

/* Names the rule in what is logged. */
static void
tell_rule(void *argument)
{
	CdrAlertRound *round = argument;

	if (round->rule[0] != '\0')
		errcontext("while evaluating alert rule \"%s\"", round->rule);
}

/* The rule that follows; false: there is none. */
static bool
find_rule(const CdrTables *tables, CdrAlertRound *round)
{
	Oid	  types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(round->rule)};
	char *name = ask(psprintf("SELECT min(name) FROM %s.cdr_alert_rules"
							  " WHERE enabled AND name > $1",
							  tables->quoted),
					 1, types, values);

	if (name == NULL)
		return false;
	strlcpy(round->rule, name, sizeof(round->rule));
	return true;
}

/* Evaluates it. */
static void
evaluate_rule(const CdrTables *tables, CdrAlertRound *round,
			  const CdrAlertClock *clock)
{
	Oid			types[3] = {TEXTOID, TIMESTAMPTZOID, BOOLOID};
	TimestampTz time =
		clock->time != 0 ? clock->time : last_event_time(tables);
	Datum values[3] = {CStringGetTextDatum(round->rule),
					   TimestampTzGetDatum(time),
					   BoolGetDatum(clock->is_complete)};

	if (time == 0)
		return;
	if (strcmp(ask(psprintf("SELECT is_behind FROM"
							" %s.cdr_evaluate_alert_rule($1, $2, $3)",
							tables->quoted),
				   3, types, values),
			   "t") == 0)
		round->is_behind = true;
}

/* One step of a round, as the role that writes.  False: the round is over. */
static bool
take_turn(CdrTables *tables, CdrAlertRound *round, const CdrAlertClock *clock)
{
	CdrRights rights;
	bool	  found;

	alerts_open(tables, &rights);
	if (!round->is_under_way)
		(void) ask(
			psprintf("SELECT %s.cdr_forget_alert_rules()", tables->quoted), 0,
			NULL, NULL);
	found = find_rule(tables, round);
	round->is_under_way = true;
	if (found)
		evaluate_rule(tables, round, clock);
	alerts_close(&rights);
	return found;
}

/* The same in a transaction of its own; throws. */
static void
run_turn(CdrAlertRound *round, const CdrAlertClock *clock)
{
	CdrTables		tables;
	CdrReasonBuffer why;
	bool			more = false;

	cdr_upkeep_begin("evaluating alert rules", PATIENCE_ALERTS);
	/* tables that are not fit are told of where events are stored */
	if (has_work(&tables) &&
		cdr_tables_lock_some(&tables, CDR_TABLE_BIT(CDR_CALLS),
							 AccessShareLock, &why) == CDR_TABLES_FIT &&
		cdr_try_lock_alerts())
		more = take_turn(&tables, round, clock);
	round->is_under_way = more;
	cdr_upkeep_end();
}

/* Was it not logged before, since all went well? */
static bool
is_new_failure(const ErrorData *error, void *argument)
{
	const CdrAlertRound *round = argument;
	const char			*message = error->message ? error->message : "";
	uint32				 hash = hash_combine(
					  string_hash(round->rule, CDR_ALERT_NAME_SIZE),
					  hash_bytes((const unsigned char *) message, (int) strlen(message)));

	for (int i = 0; i < nfailures; i++)
	{
		if (failures[i] == hash)
			return false;
	}
	if (nfailures < FAILURES_MAX)
		failures[nfailures++] = hash;
	return true;
}

/* After an error: says why, and lets the round go on with the next rule. */
static void
alerts_failed(CdrAlertRound *round, const char *rule, CdrReasonBuffer *why,
			  MemoryContext context)
{
	cdr_upkeep_failed("evaluate alert rules", context, is_new_failure, round,
					  why);
	/* it failed before it came to another rule: it would again */
	if (strcmp(rule, round->rule) == 0)
		round->is_under_way = false;
	round->has_failed = true;
}

bool
cdr_alerts_turn(CdrAlertRound *round, const CdrAlertClock *clock,
				CdrReasonBuffer *why)
{
	MemoryContext		 context = CurrentMemoryContext;
	ErrorContextCallback frame = {.callback = tell_rule, .arg = round};
	char				 rule[CDR_ALERT_NAME_SIZE];
	volatile bool		 done = true;

	if (!round->is_under_way)
		memset(round, 0, sizeof(CdrAlertRound));
	strlcpy(rule, round->rule, sizeof(rule));
	frame.previous = error_context_stack;
	error_context_stack = &frame;
	PG_TRY();
	{
		run_turn(round, clock);
	}
	PG_CATCH();
	{
		alerts_failed(round, rule, why, context);
		done = false;
	}
	PG_END_TRY();
	error_context_stack = frame.previous;
	MemoryContextSwitchTo(context);
	if (!round->is_under_way && !round->has_failed)
		nfailures = 0;
	return done;
}
