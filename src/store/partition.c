/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  The partitions of call_events: one for each day, week or month of UTC,
 *	  and the default partition for all other times.
 *
 * A partition is made as a table of its own and then attached, because that
 * locks the parent only against other changes of its structure, not against
 * inserts.  It gets the parent's key, and all other indexes, when it is
 * attached.  The default partition is locked for that moment; and where its rows
 * move, so is the parent, see lock_default().  Whoever makes partitions holds one advisory lock, so that workers
 * and sessions do not make the same one twice; he takes it first, for the next one
 * to take it must not hold the default partition meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/htup_details.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "commands/tablespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/guc.h"
#include "base/progress.h"
#include "store/bounds.h"
#include "store/command.h"
#include "store/constraints.h"
#include "store/interval.h"
#include "store/late.h"
#include "store/locks.h"
#include "store/partition.h"
#include "store/rights.h"
#include "store/upkeep.h"

/* Far more than anybody means to make at once. */
#define PARTITIONS_MAX 1000

/* With so many, none are made any more for late events; see late.c. */
#define CDR_LATE_PARTITIONS_MAX 1000

/*
 * How long a partition may take, in milliseconds: for a lock, and for all, for no
 * batch is stored meanwhile, and nobody reads the log while rows move.  One that is
 * needed may take its time, for events that have gathered in the default partition
 * move; late events are as safe where they are.
 */
#define PATIENCE_AHEAD ((CdrPatience){1000, 30000})
#define PATIENCE_LATE  ((CdrPatience){200, 5000})

/* Rows that are fetched at a time. */
#define ROWS_CHUNK 1000

/* A timestamp as SQL text, the same under any settings. */
static char *
literal(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		 fsec;

	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("timestamp out of range")));
	/* the year before 1 is 0 here, and 1 BC in SQL */
	return psprintf("'%04d-%02d-%02d %02d:%02d:%02d.%06d+00%s'",
					tm.tm_year > 0 ? tm.tm_year : 1 - tm.tm_year, tm.tm_mon,
					tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec,
					tm.tm_year > 0 ? "" : " BC");
}

static const char *
partition_name(const CdrTables *tables, TimestampTz from)
{
	struct pg_tm tm;
	fsec_t		 fsec;

	(void) timestamp2tm(from, NULL, &tm, &fsec, NULL, NULL);
	return cdr_free_name(psprintf("call_events_%04d%02d%02d", tm.tm_year,
								  tm.tm_mon, tm.tm_mday),
						 tables->schema);
}

/* The columns of call_events, for a list in SQL. */
static char *
column_list(Oid parent)
{
	Relation	   rel = table_open(parent, AccessShareLock);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < RelationGetDescr(rel)->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);

		if (!column->attisdropped && column->attgenerated == '\0')
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
							 quote_identifier(NameStr(column->attname)));
	}
	table_close(rel, NoLock);
	return list.data;
}

/* Rows on their way from the default partition to another. */
typedef struct MovedRows
{
	const char		*columns; /* a list in SQL */
	TupleDesc		 tupdesc;
	Tuplestorestate *store; /* beyond work_mem, in a file */
	uint64			 count;
} MovedRows;

/*
 * A row that moves is deleted: what refers to it must not go, or change, with
 * it.  (A foreign key without such an action refuses by itself.)
 */
static void
check_references(Oid parent, Oid default_partition)
{
	cdr_command("SELECT conname, conrelid::pg_catalog.regclass"
				" FROM pg_catalog.pg_constraint"
				" WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')"
				" AND confrelid IN (%u, %u) LIMIT 1",
				parent, default_partition);
	if (SPI_processed > 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg(
				 "foreign key \"%s\" of table %s keeps events from moving "
				 "out of the default partition",
				 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
				 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
							  2)),
			 errdetail("It would delete or change the rows that refer to "
					   "them."),
			 errhint(
				 "Drop the foreign key while cdr_create_partitions() makes "
				 "the partition.")));
}

/* Does the default partition hold a row of a stretch? */
static bool
has_rows(const char *source, const char *from, const char *until)
{
	cdr_command("SELECT FROM %s WHERE event_time >= %s AND event_time < %s"
				" LIMIT 1",
				source, from, until);
	return SPI_processed > 0;
}

/*
 * Locks the default partition, before partitions are made of a stretch of time,
 * and the parent, if rows of that stretch move: a reader that has looked up the
 * partitions before the new one was there, and then waits for the default
 * partition, would find its rows in neither.  A reader holds the parent's lock
 * when it asks for this one, so the parent is locked first.
 */
static void
lock_default(Oid parent, TimestampTz from, TimestampTz until)
{
	Oid			default_partition = get_default_partition_oid(parent);
	const char *name;

	if (!OidIsValid(default_partition))
		return;
	name = cdr_quoted_name(default_partition);
	/* writers are waited for; the lock may go, nothing was done under it */
	LockRelationOid(default_partition, AccessExclusiveLock);
	if (has_rows(name, literal(from), literal(until)))
	{
		UnlockRelationOid(default_partition, AccessExclusiveLock);
		LockRelationOid(parent, AccessExclusiveLock);
	}
	/* with its own partitions, if it has some */
	cdr_command("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", name);
}

/*
 * Takes the rows of a stretch of time out of the default partition, which is
 * locked.  Where there are none, nothing is deleted, and NULL is returned: a
 * publication may forbid to delete.
 */
static MovedRows *
take_rows(Oid parent, const char *from, const char *until,
		  CdrProgress *progress)
{
	Oid			default_partition = get_default_partition_oid(parent);
	const char *source;
	MovedRows  *rows;
	Portal		portal;

	if (!OidIsValid(default_partition))
		return NULL;
	source = cdr_quoted_name(default_partition);
	if (!has_rows(source, from, until))
		return NULL;
	check_references(parent, default_partition);

	progress->relation = default_partition;
	cdr_progress_phase(progress, CDR_PHASE_TAKING, -1);
	rows = palloc0(sizeof(MovedRows));
	rows->columns = column_list(parent);
	rows->store = tuplestore_begin_heap(false, false, work_mem);
	portal = SPI_cursor_open_with_args(
		NULL,
		psprintf("DELETE FROM %s WHERE event_time >= %s AND event_time < %s"
				 " RETURNING %s",
				 source, from, until, rows->columns),
		0, NULL, NULL, NULL, false, 0);
	for (SPI_cursor_fetch(portal, true, ROWS_CHUNK); SPI_processed > 0;
		 SPI_cursor_fetch(portal, true, ROWS_CHUNK))
	{
		if (rows->tupdesc == NULL)
			rows->tupdesc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(rows->store, SPI_tuptable->vals[i]);
		rows->count += SPI_processed;
		cdr_progress_add(progress, SPI_processed);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	if (rows->count == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a trigger keeps events from moving out of the "
							   "default partition")));
	return rows;
}

#define PROOF_NAME "cdr_service_no_such_events"

/* Marks a check constraint as one that all rows of its table satisfy. */
static void
mark_validated(Oid table, const char *name)
{
	Relation  rel = table_open(ConstraintRelationId, RowExclusiveLock);
	HeapTuple tuple = SearchSysCacheCopy1(
		CONSTROID,
		ObjectIdGetDatum(get_relation_constraint_oid(table, name, false)));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint \"%s\"", name);
	((Form_pg_constraint) GETSTRUCT(tuple))->convalidated = true;
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	CacheInvalidateRelcacheByRelid(table);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * ATTACH reads the whole default partition, which is locked, in search of rows
 * of the new one, unless a constraint says that there are none.  To validate
 * that would read it as well; our look through the index proves the same.
 * Returns the name of the table that has the constraint, or NULL.
 */
static const char *
prove_absence(Oid parent, const char *from, const char *until)
{
	Oid			default_partition = get_default_partition_oid(parent);
	const char *name;

	if (!OidIsValid(default_partition) ||
		get_rel_relkind(default_partition) != RELKIND_RELATION)
		return NULL;
	name = cdr_quoted_name(default_partition);
	if (has_rows(name, from, until))
		return NULL;
	cdr_command("ALTER TABLE %s ADD CONSTRAINT " PROOF_NAME
				" CHECK (event_time < %s OR event_time >= %s) NOT VALID",
				name, from, until);
	mark_validated(default_partition, PROOF_NAME);
	return name;
}

static void
attach_partition(Oid parent, const char *name, const char *from,
				 const char *until)
{
	const char *proof = prove_absence(parent, from, until);

	cdr_command("ALTER TABLE %s ATTACH PARTITION %s"
				" FOR VALUES FROM (%s) TO (%s)",
				cdr_quoted_name(parent), name, from, until);
	if (proof != NULL)
		cdr_command("ALTER TABLE %s DROP CONSTRAINT " PROOF_NAME, proof);
}

/*
 * Puts them into the log again, through the parent: so that a publication of it
 * tells its subscribers.
 */
static void
put_rows(const char *parent, MovedRows *rows)
{
	char					   name[] = "moved_events";
	EphemeralNamedRelationData relation = {
		.md = {.name = name,
			   .tupdesc = rows->tupdesc,
			   .enrtype = ENR_NAMED_TUPLESTORE,
			   .enrtuples = (double) rows->count},
		.reldata = rows->store};

	if (SPI_register_relation(&relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed");
	/* an identity column keeps its value, too */
	cdr_command("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE"
				" SELECT * FROM moved_events",
				parent, rows->columns);
	if (SPI_processed != rows->count)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a trigger has dropped events that were to move out "
						"of the default partition")));
	(void) SPI_unregister_relation(name);
	tuplestore_end(rows->store);
}

/*
 * Where a partition goes, as with any new one: where its parent says, else where
 * default_tablespace does.  That is for the owner to choose, and not for the
 * superuser who makes the table.
 */
static const char *
tablespace_clause(const CdrTables *tables)
{
	Oid tablespace = get_rel_tablespace(tables->table[CDR_CALL_EVENTS]);

	if (!OidIsValid(tablespace))
		tablespace = GetDefaultTablespace(RELPERSISTENCE_PERMANENT, false);
	if (!OidIsValid(tablespace))
		return "";
	if (cdr_tablespace_aclcheck(tablespace, tables->owner) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLESPACE,
					   get_tablespace_name(tablespace));
	return psprintf(" TABLESPACE %s",
					quote_identifier(get_tablespace_name(tablespace)));
}

/*
 * Makes an empty table like the parent, the owner's.  The owner may not create
 * anything in the schema: it could make a function there that stands in for
 * one of the extension's, and wait for a superuser to call it.  So a superuser
 * makes this table, which runs nobody's code: neither does LIKE, nor do event
 * triggers hear of it (they do of the ATTACH, which is the owner's).
 */
static void
make_empty_table(const CdrTables *tables, const char *name, const char *parent)
{
	const char *tablespace = tablespace_clause(tables);
	Oid			user;
	int			security_context;

	GetUserIdAndSecContext(&user, &security_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security_context);
	cdr_command_unheard("CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS"
						" INCLUDING CONSTRAINTS INCLUDING GENERATED"
						" INCLUDING STORAGE INCLUDING COMPRESSION)%s",
						name, parent, tablespace);
	cdr_command_unheard(
		"ALTER TABLE %s OWNER TO %s", name,
		quote_identifier(GetUserNameFromId(tables->owner, false)));
	SetUserIdAndSecContext(user, security_context);
}

/* Makes and attaches one partition. */
static void
create_partition(const CdrTables *tables, CdrStretch range,
				 CdrProgress *progress)
{
	const char *parent = cdr_quoted_name(tables->table[CDR_CALL_EVENTS]);
	const char *name =
		quote_qualified_identifier(get_namespace_name(tables->schema),
								   partition_name(tables, range.from));
	const char *from = literal(range.from);
	const char *until = literal(range.until);
	MovedRows  *rows;

	make_empty_table(tables, name, parent);
	rows = take_rows(tables->table[CDR_CALL_EVENTS], from, until, progress);
	progress->relation = tables->table[CDR_CALL_EVENTS];
	cdr_progress_phase(progress, CDR_PHASE_ATTACHING, -1);
	attach_partition(tables->table[CDR_CALL_EVENTS], name, from, until);
	if (rows == NULL)
		return;
	cdr_progress_phase(progress, CDR_PHASE_PUTTING, rows->count);
	put_rows(parent, rows);
}

int
cdr_partition_create(const CdrTables *tables, TimestampTz from, TimestampTz to)
{
	Oid			log = tables->table[CDR_CALL_EVENTS];
	CdrRights	rights;
	CdrProgress progress;
	int			made = 0;

	cdr_progress_begin(&progress, CDR_WORK_PARTITIONS, -1);
	cdr_progress_phase(&progress, CDR_PHASE_LOCKING, -1);
	/* ATTACH needs it: before a partition is locked, as all others lock them */
	LockRelationOid(log, ShareUpdateExclusiveLock);
	AcceptInvalidationMessages();
	/* the tables are the owner's, whoever writes their rows */
	cdr_rights_assume(tables, tables->owner, &rights);
	(void) set_config_option("client_min_messages", "warning", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* rows are sought in the default partition by the index, if there is one;
	 * what has none seems to cost so much then that it would be compiled */
	(void) set_config_option("enable_seqscan", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	for (TimestampTz time = from; time <= to;)
	{
		CdrStretch range = cdr_interval_around(time);
		CdrStretch gap;
		bool	   is_free = !cdr_bounds_around(log, time, &gap);

		CHECK_FOR_INTERRUPTS();
		range.from = Max(range.from, gap.from);
		range.until = Min(range.until, gap.until);
		if (is_free)
		{
			if (made == 0)
				lock_default(log, range.from, cdr_interval_around(to).until);
			create_partition(tables, range, &progress);
			CommandCounterIncrement();
			made++;
		}
		time = range.until;
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	cdr_rights_restore(&rights);
	cdr_progress_end();
	return made;
}

/* Partitions are made ahead up to here: the last moment of the next interval. */
static TimestampTz
end_ahead(TimestampTz now)
{
	return cdr_interval_around(cdr_interval_around(now).until).until - 1;
}

void
cdr_partition_look(const CdrTables *tables, bool *now, bool *next,
				   bool *fallback)
{
	TimestampTz time = GetCurrentTimestamp();
	Oid			log = tables->table[CDR_CALL_EVENTS];
	CdrStretch	gap;

	*now = cdr_bounds_around(log, time, &gap);
	*next = cdr_partition_interval == CDR_PARTITION_NONE ||
			cdr_bounds_cover(log, time, end_ahead(time));
	*fallback = OidIsValid(get_default_partition_oid(log));
}

/*
 * Makes the partitions between two times, both included, in a transaction of its
 * own, unless there are as many as "most".
 */
static void
make_partitions(TimestampTz from, TimestampTz until, int most,
				CdrPatience patience)
{
	CdrTables		tables;
	CdrReasonBuffer why;

	cdr_upkeep_begin("making partitions", patience);
	cdr_check_constraints_at_once();
	/* whoever held this lock may have made what we are about to make */
	cdr_lock_partitions();
	/* tables that are not fit are told of where events are stored */
	if (cdr_tables_lock_some(&tables, CDR_TABLE_BIT(CDR_CALL_EVENTS),
							 AccessShareLock, &why) == CDR_TABLES_FIT &&
		!cdr_bounds_cover(tables.table[CDR_CALL_EVENTS], from, until) &&
		cdr_bounds_count(tables.table[CDR_CALL_EVENTS]) < most)
		cdr_partition_create(&tables, from, until);
	CDR_FAULT("partitions-before-commit");
	cdr_upkeep_end();
	CDR_FAULT("partitions-after-commit");
}

/* The same; false if that failed, which is logged. */
static bool
try_partitions(TimestampTz from, TimestampTz until, int most,
			   CdrPatience patience, CdrReasonBuffer *reason)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = true;

	PG_TRY();
	{
		make_partitions(from, until, most, patience);
	}
	PG_CATCH();
	{
		cdr_upkeep_failed("make partitions", context, NULL, NULL, reason);
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

bool
cdr_partition_maintain(CdrReasonBuffer *reason)
{
	TimestampTz now = GetCurrentTimestamp();

	return cdr_partition_interval == CDR_PARTITION_NONE ||
		   try_partitions(now, end_ahead(now), INT_MAX, PATIENCE_AHEAD,
						  reason);
}

bool
cdr_partition_make_late(CdrReasonBuffer *reason)
{
	CdrLate late;

	if (cdr_partition_interval == CDR_PARTITION_NONE || !cdr_late_next(&late))
		return true;
	if (try_partitions(late.first, late.last, CDR_LATE_PARTITIONS_MAX,
					   PATIENCE_LATE, reason))
	{
		cdr_late_made(&late);
		return true;
	}
	cdr_late_failed(&late);
	return false;
}

/* Throws unless the partitions between two times are worth making. */
static void
check_stretch(TimestampTz from, TimestampTz to)
{
	if (cdr_partition_interval == CDR_PARTITION_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cdr_service makes no partitions"),
				 errhint("Set cdr_service.partition_interval to something "
						 "else than none.")));
	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to) || from > to)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("from_time and to_time must be finite, and in order")));
	if (to / USECS_PER_DAY - from / USECS_PER_DAY >
		(int64) PARTITIONS_MAX * cdr_interval_days())
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many partitions requested"),
						errdetail("One call makes at most %d partitions.",
								  PARTITIONS_MAX),
						errhint("Name a shorter stretch of time, or set "
								"cdr_service.partition_interval to a longer "
								"interval.")));
}

PG_FUNCTION_INFO_V1(cdr_create_partitions);

Datum
cdr_create_partitions(PG_FUNCTION_ARGS)
{
	TimestampTz from = PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz to = PG_GETARG_TIMESTAMPTZ(1);
	CdrTables	tables;

	check_stretch(from, to);
	cdr_lock_partitions();
	cdr_tables_require(&tables, AccessShareLock);
	PG_RETURN_INT32(cdr_partition_create(&tables, from, to));
}
