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
cdr_writer_query_open(CdrTables *tables, LOCKMODE mode, CdrRights *rights)
{
	cdr_tables_require(tables, mode);
	cdr_rights_assume(tables, cdr_rights_writer(tables), rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
cdr_writer_query_close(const CdrRights *rights)
{
	SPI_finish();
	cdr_rights_restore(rights);
}
