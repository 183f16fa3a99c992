/*-------------------------------------------------------------------------
 *
 * reader_query.h
 *	  Queries of SQL functions, run with the rights of their caller.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_READER_QUERY_H
#define CDR_READER_QUERY_H

#include "store/tables.h"

/*
 * Makes the tables and SPI ready for queries, under a search_path of pg_catalog:
 * the caller may be a superuser.  So it is first looked whether the tables are
 * tables, and not views that run somebody's code.  Returns what
 * cdr_reader_query_close() takes.
 */
extern int	cdr_reader_query_open(CdrTables *tables);
extern void cdr_reader_query_close(int guc_level);

#endif /* CDR_READER_QUERY_H */
