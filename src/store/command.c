/*-------------------------------------------------------------------------
 *
 * command.c
 *	  SQL commands that this library runs, one at a time, through SPI.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "parser/parser.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "store/command.h"

static char *
format_command(const char *format, va_list args) pg_attribute_printf(1, 0);

/* The text that printf() would make; in palloc'd memory. */
static char *
format_command(const char *format, va_list args)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (;;)
	{
		va_list copy;
		int		needed;

		va_copy(copy, args);
		needed = appendStringInfoVA(&sql, format, copy);
		va_end(copy);
		if (needed == 0)
			return sql.data;
		enlargeStringInfo(&sql, needed);
	}
}

void
cdr_command(const char *format, ...)
{
	va_list args;
	char   *sql;
	int		result;

	va_start(args, format);
	sql = format_command(format, args);
	va_end(args);
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

void
cdr_command_unheard(const char *format, ...)
{
	va_list		 args;
	char		*sql;
	PlannedStmt *statement = makeNode(PlannedStmt);

	va_start(args, format);
	sql = format_command(format, args);
	va_end(args);
	statement->commandType = CMD_UTILITY;
	statement->utilityStmt =
		linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT))->stmt;
	statement->stmt_location = -1;
	/* as a part of another command, which event triggers hear of */
	ProcessUtility(statement, sql, false, PROCESS_UTILITY_SUBCOMMAND, NULL,
				   NULL, None_Receiver, NULL);
	CommandCounterIncrement();
}

const char *
cdr_quoted_name(Oid relation)
{
	char *name = get_rel_name(relation);
	char *schema = get_namespace_name(get_rel_namespace(relation));

	if (name == NULL || schema == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation)));
	return quote_qualified_identifier(schema, name);
}

static bool
is_taken(const char *name, Oid schema)
{
	return OidIsValid(get_relname_relid(name, schema)) ||
		   SearchSysCacheExists2(TYPENAMENSP, CStringGetDatum(name),
								 ObjectIdGetDatum(schema));
}

const char *
cdr_free_name(const char *wanted, Oid schema)
{
	const char *name = wanted;

	for (int i = 2; is_taken(name, schema); i++)
		name = psprintf("%s_%d", wanted, i);
	return name;
}
