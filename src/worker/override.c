/*-------------------------------------------------------------------------
 *
 * override.c
 *	  Settings of the server that a worker does not take from it.
 *
 * A DBA sets limits and the planner's ways for the sessions of people and
 * programs, on a server, a database or a role.  A worker that took them would be
 * ended by a timeout, read a table from end to end for each batch, or read its
 * own statements in another way.  Autovacuum does the same for its own.
 *
 * Left as they are: default_transaction_read_only, which is how a DBA stops
 * writers; session_replication_role, with which he turns triggers and foreign
 * keys off, and means it; where new partitions lie, and how (default_tablespace,
 * default_table_access_method, which may encrypt); costs, and what is logged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "worker/override.h"

/* A lock that is held longer than this is waited for with the batch kept. */
#define LOCK_TIMEOUT "1s"

/* The least that a batch is sorted and joined in, in kilobytes. */
#define LEAST_WORK_MEM 4096

/* The least that a statement needs to be planned in, in kilobytes. */
#define LEAST_STACK_DEPTH 2048

/* Those that a version does not have are left out. */
static const char *const settings[][2] = {
	/* how long */
	{"statement_timeout", "0"},
	{"transaction_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	{"lock_timeout", LOCK_TIMEOUT},
	/* how much */
	{"temp_file_limit", "-1"},
	/* what ends a session, or keeps it from its tables */
	{"exit_on_error", "off"},
	{"row_security", "on"},
	{"restrict_nonsystem_relation_kind", ""},
	/* how a transaction begins */
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_deferrable", "off"},
	/* what a statement means */
	{"search_path", "pg_catalog, pg_temp"},
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"bytea_output", "hex"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"extra_float_digits", "1"},
	/* how it is planned */
	{"plan_cache_mode", "auto"},
	{"jit", "off"},
	{"max_parallel_workers_per_gather", "0"},
	{"constraint_exclusion", "partition"},
	{"from_collapse_limit", "8"},
	{"join_collapse_limit", "8"},
	{"enable_bitmapscan", "on"},
	{"enable_hashagg", "on"},
	{"enable_hashjoin", "on"},
	{"enable_indexonlyscan", "on"},
	{"enable_indexscan", "on"},
	{"enable_material", "on"},
	{"enable_memoize", "on"},
	{"enable_mergejoin", "on"},
	{"enable_nestloop", "on"},
	{"enable_partition_pruning", "on"},
	{"enable_seqscan", "on"},
	{"enable_sort", "on"},
	{"enable_tidscan", "on"},
};

/* Whatever comes of it, a worker can do its work without. */
static void
override(const char *name, const char *value)
{
	if (GetConfigOption(name, true, false) != NULL)
		(void) set_config_option(name, value, PGC_SUSET, PGC_S_OVERRIDE,
								 GUC_ACTION_SET, true, LOG, false);
}

void
cdr_override_settings(void)
{
	for (int i = 0; i < (int) lengthof(settings); i++)
		override(settings[i][0], settings[i][1]);
	if (work_mem < LEAST_WORK_MEM)
		override("work_mem", CppAsString2(LEAST_WORK_MEM));
	if (max_stack_depth < LEAST_STACK_DEPTH)
		override("max_stack_depth", CppAsString2(LEAST_STACK_DEPTH));

	/* an acknowledgement means that the commit is durable */
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		override("synchronous_commit", "on");
}
