/*-------------------------------------------------------------------------
 *
 * writer_query.c
 *	  Queries of SQL functions, run as the role that writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"

#include "store/writer_query.h"

void
cdr_writer_query_open(const char *query, Oid type, Datum argument,
					  bool read_only, CdrRights *rights)
{
	CdrTables tables;
	int		  result;

	cdr_tables_require(&tables,
					   read_only ? AccessShareLock : RowExclusiveLock);
	cdr_rights_assume(&tables, cdr_rights_writer(&tables), rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute_with_args(psprintf(query, tables.quoted),
								   OidIsValid(type) ? 1 : 0, &type, &argument,
								   NULL, read_only, 0);
	if (result < 0)
		elog(ERROR, "query failed: %s", SPI_result_code_string(result));
}

void
cdr_writer_query_close(const CdrRights *rights)
{
	SPI_finish();
	cdr_rights_restore(rights);
}
