/*-------------------------------------------------------------------------
 *
 * call_values.h
 *	  A call as the values of a row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CALL_VALUES_H
#define CDR_CALL_VALUES_H

#include "call/merge.h"

/*
 * Puts the CDR_CALL_NCOLUMNS columns of a call, in the order of columns.h, into
 * values and nulls.  Strings are copied to the current memory context; what is
 * passed by reference otherwise stays the call's.
 */
extern void cdr_call_values(const CdrCall *call, Datum *values, bool *nulls);

#endif /* CDR_CALL_VALUES_H */
