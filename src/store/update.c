/*-------------------------------------------------------------------------
 *
 * update.c
 *	  Brings tables of an older version up to date, and helps the scripts that
 *	  update the extension.
 *
 * Library and SQL change at different moments: the library when the server is
 * restarted, the SQL when somebody runs ALTER EXTENSION ... UPDATE.  So the
 * library has the list of columns itself, and adds those that the tables lack
 * whatever the SQL says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/library.h"
#include "store/column_list.h"
#include "store/command.h"
#include "store/rights.h"
#include "store/shape.h"
#include "store/update.h"

/* Of the same source as cdr_table_columns(): rows of VALUES. */
const char cdr_column_list[] = CDR_COLUMN_LIST;

/* ------------------------------------------------------------------------
 * The tables
 * ------------------------------------------------------------------------
 */

int
cdr_make_indexes(const CdrTables *tables, CdrTable table)
{
	SPITupleTable *missing;
	uint64		   count;

	cdr_command("SELECT i.index_name, i.definition"
				" FROM %s.cdr_table_indexes() AS i"
				" WHERE i.table_name = '%s' AND NOT EXISTS"
				" (SELECT FROM pg_index AS x WHERE x.indrelid = %u"
				" AND x.indisvalid AND x.indpred IS NULL AND"
				" split_part(pg_get_indexdef(x.indexrelid), ' WITH ', 1)"
				" LIKE '%% ' || split_part(i.definition, ' WITH ', 1))",
				tables->quoted, cdr_table_name(table), tables->table[table]);
	missing = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
		cdr_command_unheard(
			"CREATE INDEX %s ON %s.%s %s",
			quote_identifier(cdr_free_name(
				SPI_getvalue(missing->vals[i], missing->tupdesc, 1),
				tables->schema)),
			tables->quoted, cdr_table_name(table),
			SPI_getvalue(missing->vals[i], missing->tupdesc, 2));
	return (int) count;
}

/* A partition may be somebody else's, and then the owner of its table cannot add a
 * column to it. */
static void
hint_at_owner(void *hint)
{
	if (geterrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE)
		errhint("%s", (const char *) hint);
}

/* Adds the columns of a table that it lacks; generated ones last, because they
 * are computed from others. */
static int
add_columns(const CdrTables *tables, CdrTable table)
{
	SPITupleTable *missing;
	uint64		   count;

	cdr_command("SELECT quote_ident(c.column_name), c.definition,"
				" quote_nullable(c.comment)"
				" FROM " CDR_LISTED_COLUMNS
				" WHERE c.table_name = '%s' AND NOT EXISTS"
				" (SELECT FROM pg_attribute AS a WHERE a.attrelid = %u"
				" AND a.attname = c.column_name AND a.attnum > 0"
				" AND NOT a.attisdropped)"
				" ORDER BY c.definition LIKE '%% GENERATED ALWAYS AS %%'",
				cdr_column_list, cdr_table_name(table), tables->table[table]);
	missing = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		const char *name = SPI_getvalue(missing->vals[i], missing->tupdesc, 1);

		cdr_command("ALTER TABLE %s.%s ADD COLUMN %s %s", tables->quoted,
					cdr_table_name(table), name,
					SPI_getvalue(missing->vals[i], missing->tupdesc, 2));
		cdr_command("COMMENT ON COLUMN %s.%s.%s IS %s", tables->quoted,
					cdr_table_name(table), name,
					SPI_getvalue(missing->vals[i], missing->tupdesc, 3));
	}
	return (int) count;
}

int
cdr_update_columns(const CdrTables *tables)
{
	ErrorContextCallback context = {.previous = error_context_stack,
									.callback = hint_at_owner};
	CdrRights			 rights;
	int					 added = 0;

	context.arg = psprintf(
		"Run SELECT %s.cdr_adopt_tables(%s), which gives the tables, with all "
		"partitions, to that role.",
		tables->quoted,
		quote_literal_cstr(GetUserNameFromId(tables->owner, false)));
	cdr_rights_assume(tables, tables->owner, &rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	error_context_stack = &context;
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
		added += add_columns(tables, t);
	error_context_stack = context.previous;
	SPI_finish();
	cdr_rights_restore(&rights);
	return added;
}

/*
 * Makes the indexes that the tables lack.  While it reads a table, nobody writes:
 * so no worker does this by itself.  The owner may not create anything in the
 * schema, so a superuser does, and the index is the owner's, as its table is.
 * That runs nobody's code: what is indexed are columns of types that are ours
 * (cdr_shape_resembles()), by operators of the server.
 */
static int
update_indexes(const CdrTables *tables)
{
	CdrRights rights;
	int		  made = 0;

	cdr_rights_assume(tables, tables->owner, &rights);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   rights.security_context |
							   SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
		made += cdr_make_indexes(tables, t);
	SPI_finish();
	cdr_rights_restore(&rights);
	return made;
}

PG_FUNCTION_INFO_V1(cdr_update_tables);

Datum
cdr_update_tables(PG_FUNCTION_ARGS)
{
	CdrTables		tables;
	CdrReasonBuffer why = {0};
	int				added;

	cdr_tables_require_extension(&tables);
	if (cdr_tables_lack_one(&tables))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a table of extension \"%s\" is missing",
							   CDR_EXTENSION_NAME),
						errhint("cdr_adopt_tables() makes those that are "
								"missing.")));
	cdr_tables_lock_present(&tables, AccessShareLock);
	for (CdrTable t = 0; t < CDR_NTABLES; t++)
	{
		if (!cdr_shape_resembles(t, tables.table[t], &why))
			cdr_throw(&why.reason);
	}
	added = cdr_update_columns(&tables);
	added += update_indexes(&tables);
	PG_RETURN_INT32(added);
}

/* ------------------------------------------------------------------------
 * For scripts
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(cdr_require_library);

/*
 * The first statement of each script.  A server keeps the library that it began
 * with; the functions of a later script would not be found in it, in words that
 * name the file, which has them.
 */
Datum
cdr_require_library(PG_FUNCTION_ARGS)
{
	const char *version = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (cdr_version_number(version) < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"%s\" is no version of extension \"%s\"",
							   version, CDR_EXTENSION_NAME)));
	if (cdr_version_number(version) > cdr_version_number(CDR_VERSION))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the library of extension \"%s\" that is loaded has "
					"version %s, and %s is needed",
					CDR_EXTENSION_NAME, CDR_VERSION, version),
			 errhint("Restart the server first, which loads the library that "
					 "is installed now.")));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(cdr_hold_writers);

/*
 * Keeps batches out until the end of the transaction, so that none meets
 * functions of which some are new.  In the order in which batches lock; those who
 * read go on.
 */
Datum
cdr_hold_writers(PG_FUNCTION_ARGS)
{
	CdrTables tables;

	PreventCommandIfReadOnly("cdr_hold_writers()");
	cdr_tables_require_extension(&tables);
	cdr_tables_keep_writers_out(&tables);
	PG_RETURN_VOID();
}
