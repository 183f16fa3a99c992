/*-------------------------------------------------------------------------
 *
 * rollup_functions.h
 *	  What the SQL functions of the rollup share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_FUNCTIONS_H
#define CDR_ROLLUP_FUNCTIONS_H

#include "store/rollup_tables.h"

/* The tables of the rollup, and calls; an ERROR where there are none. */
extern const CdrRollupTables *cdr_rollup_require(void);

/* Key and first columns of a result. */
extern void
cdr_rollup_key_values(const CdrRollupKey *key, Datum *values, bool *nulls);

#endif /* CDR_ROLLUP_FUNCTIONS_H */
