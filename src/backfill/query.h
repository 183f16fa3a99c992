/*-------------------------------------------------------------------------
 *
 * query.h
 *	  The rows of the caller's query, as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_BACKFILL_QUERY_H
#define CDR_BACKFILL_QUERY_H

#include "access/tupdesc.h"
#include "utils/tuplestore.h"

/* What is in the store: one column, the row as json. */
extern TupleDesc cdr_backfill_columns(void);

/*
 * Runs a query to its end, as the caller, in SPI, which is connected, and puts its
 * rows into the store; returns how many.  ERROR if it is not one SELECT that only
 * reads.
 */
extern int64 cdr_backfill_query(const char *text, Tuplestorestate *rows);

#endif /* CDR_BACKFILL_QUERY_H */
