/*-------------------------------------------------------------------------
 *
 * writer_query.h
 *	  Queries of SQL functions, run as the role that writes.
 *
 * What SQL functions do for whoever may call them, they do with that role's
 * rights: those of whoever installed the extension would be lent to triggers
 * and whatever else is hung on the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WRITER_QUERY_H
#define CDR_WRITER_QUERY_H

#include "store/rights.h"

/* Locks the tables, becomes the role and connects to SPI; and goes back. */
extern void
cdr_writer_query_open(CdrTables *tables, LOCKMODE mode, CdrRights *rights);
extern void cdr_writer_query_close(const CdrRights *rights);

#endif /* CDR_WRITER_QUERY_H */
