/*-------------------------------------------------------------------------
 *
 * reader_query.c
 *	  Queries of SQL functions, run with the rights of their caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/guc.h"

#include "store/reader_query.h"

int
cdr_reader_query_open(CdrTables *tables)
{
	int guc_level;

	cdr_tables_require(tables, AccessShareLock);
	guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	return guc_level;
}

void
cdr_reader_query_close(int guc_level)
{
	SPI_finish();
	AtEOXact_GUC(false, guc_level);
}
