/*-------------------------------------------------------------------------
 *
 * reads.c
 *	  Notices who reads calls past the functions that record it.
 *
 * With cdr_service.log_reads, each statement that reads one of the tables is noted,
 * also through a view, a function or a cursor, and COPY.  Where it is off, that costs
 * a look at the setting.
 *
 * A statement is noted when it ends.  One that is broken off does not: so what is under
 * way is known to the process, and noted at the latest when its transaction ends,
 * however that is.
 *
 * Not noted: what the service itself reads, as the role that writes (whose functions
 * record on their own who has called them), and foreign keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "postmaster/bgworker.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/read_ring.h"
#include "access/reads.h"
#include "base/compat.h"
#include "base/guc.h"
#include "store/tables.h"

/* A statement that is under way. */
typedef struct OpenRead
{
	const void		*statement; /* which one */
	SubTransactionId subtransaction;
	CdrRead			 read;
} OpenRead;

static List *open_reads = NIL; /* in TopMemoryContext */

static ExecutorRun_hook_type	previous_run_hook = NULL;
static ExecutorEnd_hook_type	previous_end_hook = NULL;
static ProcessUtility_hook_type previous_utility_hook = NULL;

/* ------------------------------------------------------------------------
 * What is a read
 * ------------------------------------------------------------------------
 */

/* Is this process one of the service's own? */
static bool
is_of_service(void)
{
	return IsParallelWorker() || (MyBgworkerEntry != NULL &&
								  strcmp(MyBgworkerEntry->bgw_library_name,
										 CDR_EXTENSION_NAME) == 0);
}

/* Which of the tables a relation is, or is a partition of; no bit: none. */
static unsigned
table_of_relation(const CdrTables *tables, Oid relation)
{
	while (OidIsValid(relation))
	{
		for (CdrTable t = 0; t < CDR_NTABLES; t++)
		{
			if (tables->table[t] == relation)
				return CDR_TABLE_BIT(t);
		}
		relation = get_rel_relispartition(relation)
					   ? get_partition_parent(relation, true)
					   : InvalidOid;
	}
	return 0;
}

/* Do the functions of the extension read here, or a foreign key? */
static bool
reads_for_service(const CdrTables *tables)
{
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	if (context & SECURITY_NOFORCE_RLS)
		return true;
	return (context & SECURITY_RESTRICTED_OPERATION) != 0 &&
		   user == (cdr_role[0] != '\0' ? get_role_oid(cdr_role, true)
										: tables->owner);
}

/* Those that a statement reads, as bits. */
static unsigned
tables_of_statement(const CdrTables *tables, const PlannedStmt *statement)
{
	unsigned  found = 0;
	ListCell *cell;

	foreach (cell, statement->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);

		if (!OidIsValid(entry->relid) || entry->relkind == RELKIND_VIEW)
			continue;
		/* what is only written returns nothing */
		if (!statement->hasReturning &&
			list_member_int(statement->resultRelations,
							foreach_current_index(cell) + 1))
			continue;
		found |= table_of_relation(tables, entry->relid);
	}
	return found;
}

/* ------------------------------------------------------------------------
 * Those under way
 * ------------------------------------------------------------------------
 */

/* From where the session is connected; empty: a socket of the machine, or nowhere. */
static void
put_address(char *address, size_t size)
{
	LOCAL_FCINFO(fcinfo, 0);
	Datum client;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	client = inet_client_addr(fcinfo);
	if (!fcinfo->isnull)
		strlcpy(address,
				TextDatumGetCString(DirectFunctionCall1(network_host, client)),
				size);
}

static OpenRead *
begin_read(const void *statement, unsigned tables, const char *command,
		   int64 query_id)
{
	OpenRead *open =
		MemoryContextAllocZero(TopMemoryContext, sizeof(OpenRead));
	MemoryContext outer;

	open->statement = statement;
	open->subtransaction = GetCurrentSubTransactionId();
	open->read.database = MyDatabaseId;
	open->read.at = GetCurrentTimestamp();
	open->read.tables = tables;
	open->read.command = command;
	open->read.query_id = query_id;
	namestrcpy(&open->read.login,
			   GetUserNameFromId(GetSessionUserId(), false));
	namestrcpy(&open->read.role, GetUserNameFromId(GetUserId(), false));
	namestrcpy(&open->read.application,
			   application_name ? application_name : "");
	put_address(open->read.address, sizeof(open->read.address));
	outer = MemoryContextSwitchTo(TopMemoryContext);
	open_reads = lappend(open_reads, open);
	MemoryContextSwitchTo(outer);
	return open;
}

static OpenRead *
find_open_read(const void *statement)
{
	ListCell *cell;

	foreach (cell, open_reads)
	{
		OpenRead *open = lfirst(cell);

		if (open->statement == statement)
			return open;
	}
	return NULL;
}

static void
end_read(OpenRead *open)
{
	open_reads = list_delete_ptr(open_reads, open);
	cdr_read_keep(&open->read);
	pfree(open);
}

static void
end_reads_of_transaction(XactEvent event, void *argument)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	while (open_reads != NIL)
		end_read(linitial(open_reads));
}

/* The statements of a subtransaction that failed are gone, and nobody ends them. */
static void
end_reads_of_subtransaction(SubXactEvent event, SubTransactionId which,
							SubTransactionId parent, void *argument)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (int i = list_length(open_reads) - 1; i >= 0; i--)
	{
		OpenRead *open = list_nth(open_reads, i);

		if (open->subtransaction >= which)
			end_read(open);
	}
}

/* ------------------------------------------------------------------------
 * Hooks
 * ------------------------------------------------------------------------
 */

static const char *
command_of(CmdType operation)
{
	switch (operation)
	{
		case CMD_SELECT:
			return "SELECT";
		case CMD_INSERT:
			return "INSERT";
		case CMD_UPDATE:
			return "UPDATE";
		case CMD_DELETE:
			return "DELETE";
		default:
			return "MERGE";
	}
}

/* The read that a statement is; NULL: it is none. */
static OpenRead *
read_of_statement(const QueryDesc *query)
{
	OpenRead *open = find_open_read(query);
	CdrTables tables;
	unsigned  found;

	/* a cursor goes on */
	if (open != NULL)
		return open;
	if (query->plannedstmt->relationOids == NIL || is_of_service() ||
		!cdr_tables_find(&tables))
		return NULL;
	found = tables_of_statement(&tables, query->plannedstmt);
	if (found == 0 || reads_for_service(&tables))
		return NULL;
	return begin_read(query, found, command_of(query->operation),
					  (int64) query->plannedstmt->queryId);
}

static void
call_run(CDR_EXECUTOR_RUN_PARAMETERS)
{
	if (previous_run_hook)
		previous_run_hook(CDR_EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(CDR_EXECUTOR_RUN_ARGUMENTS);
}

static void
note_run(CDR_EXECUTOR_RUN_PARAMETERS)
{
	OpenRead *volatile open =
		cdr_log_reads ? read_of_statement(queryDesc) : NULL;

	if (open == NULL)
	{
		call_run(CDR_EXECUTOR_RUN_ARGUMENTS);
		return;
	}
	PG_TRY();
	{
		call_run(CDR_EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		/* also of one that fails: what it has returned, it has */
		open->read.rows += (int64) queryDesc->estate->es_processed;
	}
	PG_END_TRY();
}

static void
note_end(QueryDesc *query)
{
	if (open_reads != NIL)
	{
		OpenRead *open = find_open_read(query);

		if (open != NULL)
			end_read(open);
	}
	if (previous_end_hook)
		previous_end_hook(query);
	else
		standard_ExecutorEnd(query);
}

/* COPY of a table passes the executor by. */
static OpenRead *
read_of_utility(PlannedStmt *statement)
{
	const CopyStmt *copy = (const CopyStmt *) statement->utilityStmt;
	CdrTables		tables;
	unsigned		found;

	if (!IsA(copy, CopyStmt) || copy->is_from || copy->relation == NULL ||
		is_of_service() || !cdr_tables_find(&tables))
		return NULL;
	found = table_of_relation(&tables,
							  RangeVarGetRelid(copy->relation, NoLock, true));
	if (found == 0 || reads_for_service(&tables))
		return NULL;
	return begin_read(statement, found, "COPY", (int64) statement->queryId);
}

static void
note_utility(PlannedStmt *statement, const char *text, bool is_read_only,
			 ProcessUtilityContext context, ParamListInfo parameters,
			 QueryEnvironment *environment, DestReceiver *receiver,
			 QueryCompletion *completion)
{
	OpenRead	   *open = cdr_log_reads ? read_of_utility(statement) : NULL;
	QueryCompletion own = {0};

	if (open != NULL)
	{
		open->read.rows = -1; /* until it is known */
		if (completion == NULL)
			completion = &own;
	}
	(previous_utility_hook ? previous_utility_hook : standard_ProcessUtility)(
		statement, text, is_read_only, context, parameters, environment,
		receiver, completion);
	if (open == NULL)
		return;
	if (completion->commandTag == CMDTAG_COPY)
		open->read.rows = (int64) completion->nprocessed;
	end_read(open);
}

void
cdr_reads_init(void)
{
	previous_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = note_run;
	previous_end_hook = ExecutorEnd_hook;
	ExecutorEnd_hook = note_end;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = note_utility;
	RegisterXactCallback(end_reads_of_transaction, NULL);
	RegisterSubXactCallback(end_reads_of_subtransaction, NULL);
}
