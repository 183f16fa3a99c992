/*-------------------------------------------------------------------------
 *
 * owner_query.h
 *	  Queries of SQL functions, run as the owner of the tables.
 *
 * What SQL functions do for whoever may call them, they do with the owner's
 * rights: those of whoever installed the extension would be lent to triggers
 * and whatever else the owner hangs on the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_OWNER_QUERY_H
#define CDR_OWNER_QUERY_H

#include "store/rights.h"

/*
 * Runs a query, whose %s is the schema, with one argument or (InvalidOid)
 * none.  Leaves SPI connected, with the result.
 */
extern void cdr_owner_query_open(const char *query, Oid type, Datum argument,
								 bool read_only, CdrRights *rights);
extern void cdr_owner_query_close(const CdrRights *rights);

#endif /* CDR_OWNER_QUERY_H */
