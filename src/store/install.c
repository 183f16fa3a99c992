/*-------------------------------------------------------------------------
 *
 * install.c
 *	  SQL: makes the role and the tables.
 *
 * CREATE EXTENSION calls cdr_adopt_tables().  What is made here must not become
 * a member of the extension, and a GRANT must not be taken for one that the
 * extension makes anew by itself: a dump would leave both out.  So the server
 * is not to know meanwhile that an extension is being created.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "store/adopt.h"
#include "store/command.h"
#include "store/rights.h"
#include "store/shape.h"
#include "store/update.h"

/* ------------------------------------------------------------------------
 * The role
 * ------------------------------------------------------------------------
 */

/* What makes a role more than an ordinary one; NULL: nothing. */
static const char *
attribute_of(Oid role)
{
	HeapTuple	   tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	Form_pg_authid form;
	const char	  *attribute = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_authid) GETSTRUCT(tuple);
	if (form->rolsuper)
		attribute = "SUPERUSER";
	else if (form->rolcanlogin)
		attribute = "LOGIN";
	else if (form->rolcreaterole)
		attribute = "CREATEROLE";
	else if (form->rolcreatedb)
		attribute = "CREATEDB";
	else if (form->rolreplication)
		attribute = "REPLICATION";
	else if (form->rolbypassrls)
		attribute = "BYPASSRLS";
	ReleaseSysCache(tuple);
	return attribute;
}

/* A role that is as good as a superuser, and that this one is a member of. */
static Oid
power_of(Oid role)
{
	Relation	  rel = table_open(AuthIdRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);
	HeapTuple	  tuple;
	Oid			  power = InvalidOid;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

		if (form->oid != role &&
			(form->rolsuper || form->oid == ROLE_PG_EXECUTE_SERVER_PROGRAM ||
			 form->oid == ROLE_PG_WRITE_SERVER_FILES ||
			 form->oid == ROLE_PG_READ_SERVER_FILES) &&
			is_member_of_role_nosuper(role, form->oid))
			power = form->oid;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return power;
}

/* The role that writes must not be worth gaining. */
static void
check_role(Oid role)
{
	const char *attribute = attribute_of(role);
	Oid			power = power_of(role);

	if (attribute != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" exists and has attribute %s",
						CDR_ROLE_NAME, attribute),
				 errdetail("The tables are to belong to a role that cannot "
						   "log in and has no attributes."),
				 errhint("Rename that role, or run ALTER ROLE %s NO%s.",
						 CDR_ROLE_NAME, attribute)));
	if (OidIsValid(power))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" exists and is a member of role \"%s\"",
						CDR_ROLE_NAME, GetUserNameFromId(power, true)),
				 errdetail("The tables are to belong to a role that has no "
						   "power over the server."),
				 errhint("Rename that role, or revoke that membership.")));
}

/* Makes the role, unless it is there, and gives it what it needs. */
static void
make_role(const CdrTables *tables)
{
	Oid role = get_role_oid(CDR_ROLE_NAME, true);

	if (OidIsValid(role))
		check_role(role);
	else
		cdr_command("CREATE ROLE %s NOLOGIN", CDR_ROLE_NAME);
	cdr_command("GRANT USAGE ON SCHEMA %s TO %s", tables->quoted,
				CDR_ROLE_NAME);
	/* for cdr_pause() and cdr_resume() */
	cdr_command("GRANT ALTER SYSTEM ON PARAMETER cdr_service.paused TO %s",
				CDR_ROLE_NAME);
}

/* ------------------------------------------------------------------------
 * The tables
 * ------------------------------------------------------------------------
 */

static const struct
{
	const char *key;
	const char *options;
	const char *comment;
} makings[CDR_NTABLES] = {
	[CDR_CALL_EVENTS] = {"call_id, event_id, event_time",
						 "PARTITION BY RANGE (event_time)",
						 "the log: one row for each distinct event"},
	/* Room on each page for the updates that a call sees while it lasts: where
	 * a new version finds room beside the old one, no index is touched. */
	[CDR_CALLS] = {"call_id", "WITH (fillfactor = 80)",
				   "call detail records: one row for each call, merged from "
				   "its events"},
	[CDR_DEAD_LETTERS] = {"event_id", "",
						  "messages that could not become events, with the "
						  "reason"},
	[CDR_TIMELESS_EVENTS] = {"call_id, event_id", "",
							 "the keys of those events of the log that have "
							 "no time of their own"},
};

/* The columns of a table, for CREATE TABLE; in the SPI context. */
static const char *
definitions_of(const CdrTables *tables, CdrTable table)
{
	cdr_command("SELECT string_agg(quote_ident(column_name) || ' ' ||"
				" definition, ', ') FROM " CDR_LISTED_COLUMNS
				" WHERE table_name = '%s'",
				cdr_column_list, cdr_table_name(table));
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* Whose a new table is: the role's, or that of whoever has those of ours that
 * are there.  (Of others it is not known yet whether they are a stranger's.) */
static const char *
owner_of_new(const CdrTables *tables)
{
	if (cdr_table_is_adopted(tables->extension, tables->table[CDR_CALLS]) &&
		!superuser_arg(tables->owner))
		return quote_identifier(GetUserNameFromId(tables->owner, false));
	return CDR_ROLE_NAME;
}

/* Says what the columns mean, where the list of them does. */
static void
comment_on_columns(const CdrTables *tables, CdrTable table)
{
	SPITupleTable *comments;
	uint64		   count;

	cdr_command("SELECT quote_ident(column_name), quote_literal(comment)"
				" FROM " CDR_LISTED_COLUMNS
				" WHERE table_name = '%s' AND comment IS NOT NULL",
				cdr_column_list, cdr_table_name(table));
	comments = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
		cdr_command("COMMENT ON COLUMN %s.%s.%s IS %s", tables->quoted,
					cdr_table_name(table),
					SPI_getvalue(comments->vals[i], comments->tupdesc, 1),
					SPI_getvalue(comments->vals[i], comments->tupdesc, 2));
}

static void
make_table(const CdrTables *tables, CdrTable table)
{
	const char *name = cdr_table_name(table);
	const char *columns = definitions_of(tables, table);
	const char *owner = owner_of_new(tables);

	cdr_command("CREATE TABLE %s.%s (%s, PRIMARY KEY (%s)) %s", tables->quoted,
				name, columns, makings[table].key, makings[table].options);
	cdr_command("COMMENT ON TABLE %s.%s IS '%s'", tables->quoted, name,
				makings[table].comment);
	comment_on_columns(tables, table);
	(void) cdr_make_indexes(tables, table);
	cdr_command("ALTER TABLE %s.%s OWNER TO %s", tables->quoted, name, owner);
	if (table == CDR_CALL_EVENTS)
	{
		const char *partition =
			cdr_free_name("call_events_default", tables->schema);

		cdr_command("CREATE TABLE %s.%s PARTITION OF %s.%s DEFAULT",
					tables->quoted, partition, tables->quoted, name);
		/* rows are sought there by their time when a partition is made */
		cdr_command("CREATE INDEX ON %s.%s (event_time)", tables->quoted,
					partition);
		cdr_command("ALTER TABLE %s.%s OWNER TO %s", tables->quoted, partition,
					owner);
	}
	if (table == CDR_DEAD_LETTERS)
		cdr_command("COMMENT ON COLUMN %s.%s.body_size IS 'bytes on the wire; "
					"more than body holds where only the start of a giant was "
					"kept'",
					tables->quoted, name);
}

/* Makes the tables that are missing; true if there were any. */
static void
make_missing(CdrTables *tables)
{
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!OidIsValid(tables->table[t]))
			make_table(tables, t);
	}
	(void) cdr_tables_find(tables);
}

/* Gives the tables, and all partitions, to a role. */
static void
give_tables(const CdrTables *tables, const char *role)
{
	const char *quoted = quote_identifier(role);

	cdr_command("GRANT USAGE ON SCHEMA %s TO %s", tables->quoted, quoted);
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		List	 *members;
		ListCell *cell;

		/* before its partitions, as batches do, which otherwise deadlock */
		LockRelationOid(tables->table[t], AccessExclusiveLock);
		/* (what inherits from the others is not ours to give) */
		members = t == CDR_CALL_EVENTS
					  ? find_all_inheritors(tables->table[t],
											AccessExclusiveLock, NULL)
					  : list_make1_oid(tables->table[t]);
		foreach (cell, members)
		{
			Oid member = lfirst_oid(cell);

			cdr_command("ALTER %sTABLE %s OWNER TO %s",
						get_rel_relkind(member) == RELKIND_FOREIGN_TABLE
							? "FOREIGN "
							: "",
						cdr_quoted_name(member), quoted);
		}
	}
}

/* Tells whoever creates the extension what else there is to do. */
static void
warn_of_superuser(const CdrTables *tables)
{
	if (!superuser_arg(tables->owner))
		return;
	ereport(
		WARNING,
		(errcode(ERRCODE_WARNING),
		 errmsg("the tables of extension \"%s\" belong to superuser \"%s\"",
				CDR_EXTENSION_NAME, GetUserNameFromId(tables->owner, true)),
		 errdetail("The service does not write as a superuser."),
		 errhint("Run SELECT %s.cdr_adopt_tables('%s'), which gives the "
				 "tables to that role.",
				 tables->quoted, CDR_ROLE_NAME)));
}

/* Is the identity of an event that of its message-id and its bytes? */
#define IS_OF_BYTES                                                              \
	"event_id = pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256("          \
	"COALESCE(pg_catalog.int4send(pg_catalog.length(message_id)) || message_id," \
	" E'\\\\xffffffff'::pg_catalog.bytea) || COALESCE(body,"                     \
	" pg_catalog.convert_to(payload::pg_catalog.text, 'UTF8'))), 1, 16),"        \
	" 'hex')::pg_catalog.uuid"

/*
 * Enters the keys of the events of a log that came without their table, as from
 * a dump of some tables only.
 */
static void
enter_keys_of_log(const CdrTables *tables)
{
	CdrRights rights;

	if (superuser_arg(tables->owner) ||
		get_attnum(tables->table[CDR_CALL_EVENTS], "time_source") <= 0)
		return;
	cdr_rights_assume(tables, tables->owner, &rights);
	cdr_command(
		"INSERT INTO %s.timeless_events (call_id, event_id, event_time)"
		" SELECT call_id, event_id, min(event_time)"
		" FROM %s.call_events WHERE time_source IN ('p', 'r')"
		" OR (call_id = '' AND NOT " IS_OF_BYTES ")"
		" GROUP BY call_id, event_id ON CONFLICT DO NOTHING",
		tables->quoted, tables->quoted);
	cdr_rights_restore(&rights);
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

/* Role and tables, as an ordinary user of the server would make them. */
static void
make_and_adopt(CdrTables *tables, const char *owner)
{
	bool creating = creating_extension;
	bool lacks_keys = OidIsValid(tables->table[CDR_CALL_EVENTS]) &&
					  !OidIsValid(tables->table[CDR_TIMELESS_EVENTS]);

	creating_extension = false;
	if (creating || cdr_tables_lack_one(tables))
	{
		make_role(tables);
		make_missing(tables);
	}
	cdr_tables_lock_present(tables, AccessShareLock);
	/* first, because it may be the owner that keeps them from being adopted */
	if (owner != NULL)
	{
		give_tables(tables, owner);
		(void) cdr_tables_find(tables);
	}
	cdr_adopt(tables, creating);
	if (lacks_keys)
		enter_keys_of_log(tables);
}

PG_FUNCTION_INFO_V1(cdr_adopt_tables);

Datum
cdr_adopt_tables(PG_FUNCTION_ARGS)
{
	const char *owner =
		PG_ARGISNULL(0) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(0)));
	CdrTables tables;
	bool	  creating = creating_extension;
	int		  guc_level;

	if (owner != NULL && superuser_arg(get_role_oid(owner, false)))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("role \"%s\" is a superuser", owner),
						errdetail("The service writes as the owner of the "
								  "tables, and never as a superuser.")));
	PreventCommandIfReadOnly("cdr_adopt_tables()");
	cdr_tables_require_extension(&tables);
	guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PG_TRY();
	{
		make_and_adopt(&tables, owner);
	}
	PG_FINALLY();
	{
		creating_extension = creating;
	}
	PG_END_TRY();
	SPI_finish();
	AtEOXact_GUC(false, guc_level);
	warn_of_superuser(&tables);
	PG_RETURN_VOID();
}
