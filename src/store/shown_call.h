/*-------------------------------------------------------------------------
 *
 * shown_call.h
 *	  A call that is computed, as SQL functions show it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SHOWN_CALL_H
#define CDR_SHOWN_CALL_H

#include "store/call_values.h"

/* All columns of calls but merge_state, with those that PostgreSQL computes. */
#define CDR_SHOWN_NCOLUMNS (CDR_CALL_NCOLUMNS - 1 + 3)

/*
 * Puts the columns of a call, in the order of the table, into values and nulls.
 * What is passed by reference is allocated in the current context.
 */
extern void cdr_shown_call(const CdrCall *call, Datum *values, bool *nulls);

#endif /* CDR_SHOWN_CALL_H */
