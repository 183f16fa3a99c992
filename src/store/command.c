/*-------------------------------------------------------------------------
 *
 * command.c
 *	  SQL commands that this library runs, one at a time, through SPI.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "store/command.h"

void
cdr_command(const char *format, ...)
{
	StringInfoData sql;
	int			   needed;
	int			   result;

	initStringInfo(&sql);
	do
	{
		va_list args;

		va_start(args, format);
		needed = appendStringInfoVA(&sql, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&sql, needed);
	} while (needed > 0);

	result = SPI_execute(sql.data, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
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
