/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Whether a worker may begin to consume.
 *
 * A restore makes the tables first, and their keys last, when all rows are
 * there: until then, a repetition would not be recognised.  So nothing is
 * consumed before the keys are there, and nothing is altered before that, for
 * partitions that are not attached yet could not be, any more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"

#include "base/reason.h"
#include "store/adopt.h"
#include "store/update.h"
#include "store/patience.h"
#include "store/ready.h"
#include "store/rights.h"

/*
 * A column that is missing may have a large table written anew; else it is for
 * somebody to run cdr_update_tables().
 */
#define PATIENCE ((CdrPatience){1000, 10 * 60 * 1000})

bool
cdr_adoption_is_due(const CdrTables *tables)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!OidIsValid(tables->table[t]))
			return false;
	}
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!cdr_table_is_adopted(tables->extension, tables->table[t]))
			return true;
	}
	return false;
}

/* Records what pg_upgrade forgets; one worker at a time. */
static void
adopt_tables(void)
{
	CdrTables tables;

	if (!cdr_tables_find(&tables) || !cdr_adoption_is_due(&tables))
		return;
	LockDatabaseObject(ExtensionRelationId, tables.extension, 0,
					   ShareUpdateExclusiveLock);
	if (!cdr_tables_find(&tables) || !cdr_adoption_is_due(&tables))
		return;
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
		LockRelationOid(tables.table[t], AccessShareLock);
	cdr_adopt(&tables, false);
	CommandCounterIncrement();
}

/* Not every column that is missing is one of a later version: not in silence. */
static void
tell_of_columns(int added, CdrReasonBuffer *why)
{
	(void) cdr_fail(why, ERRCODE_WARNING,
					"columns that the tables lacked were added: %d", added);
	why->reason.hint =
		"If one was renamed, move what the new one holds into it, drop the "
		"new one, and rename it back, as doc/extend.md shows.";
	ereport(LOG, (errcode(ERRCODE_WARNING), errmsg("%s", why->message),
				  errhint("%s", why->reason.hint)));
}

/* They are served as they are: the functions of SQL may be the older ones. */
static void
tell_of_version(const CdrTables *tables)
{
	if (strcmp(tables->version, CDR_VERSION) == 0)
		return;
	ereport(LOG,
			(errcode(ERRCODE_WARNING),
			 errmsg("extension \"%s\" has version %s, and its library %s",
					CDR_EXTENSION_NAME, tables->version, CDR_VERSION),
			 errhint("Events are recorded. Run ALTER EXTENSION cdr_service "
					 "UPDATE, with the later of the two installed.")));
}

static CdrTablesState
look_and_update(CdrReasonBuffer *why)
{
	CdrTables	   tables;
	CdrRights	   rights;
	CdrTablesState state = cdr_tables_lock(&tables, AccessShareLock, why);

	if (state == CDR_TABLES_UNFIT &&
		why->reason.sqlerrcode == ERRCODE_UNDEFINED_COLUMN)
	{
		int added = cdr_update_columns(&tables);

		CommandCounterIncrement();
		state = cdr_tables_lock(&tables, AccessShareLock, why);
		if (state == CDR_TABLES_FIT)
			tell_of_columns(added, why);
	}
	if (state == CDR_TABLES_FIT)
	{
		/* throws if nobody can write */
		cdr_rights_assume(&tables, cdr_rights_writer(&tables), &rights);
		cdr_rights_restore(&rights);
		tell_of_version(&tables);
	}
	return state;
}

static CdrTablesState
prepare_tables(CdrReasonBuffer *why)
{
	CdrTablesState state;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	cdr_patience_begin(PATIENCE);
	adopt_tables();
	state = look_and_update(why);
	PopActiveSnapshot();
	cdr_patience_end();
	CommitTransactionCommand();
	return state;
}

CdrTablesState
cdr_tables_prepare(CdrReasonBuffer *why)
{
	MemoryContext			context = CurrentMemoryContext;
	volatile CdrTablesState state = CDR_TABLES_UNFIT;

	PG_TRY();
	{
		state = prepare_tables(why);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		cdr_patience_end();
		MemoryContextSwitchTo(context);
		cdr_fail_with_error(why);
		if (why->reason.sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
			(void) cdr_fail(why, ERRCODE_LOCK_NOT_AVAILABLE,
							"the tables are locked");
		FlushErrorState();
		AbortCurrentTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return state;
}
