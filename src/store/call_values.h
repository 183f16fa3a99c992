/*-------------------------------------------------------------------------
 *
 * call_values.h
 *	  A call as the values of a row, and a row's values as a call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CALL_VALUES_H
#define CDR_CALL_VALUES_H

#include "call/derive.h"

/*
 * Puts the CDR_CALL_NCOLUMNS columns of a call, in the order of columns.h, into
 * values and nulls.  What is passed by reference is allocated in the current
 * memory context.
 */
extern void cdr_call_values(const CdrCall *call, Datum *values, bool *nulls);

/*
 * The other way round: the call that a row with these values is.  Strings are
 * allocated in the current context.  ERROR (XX001), which names the call, if its
 * merge_state cannot be read.
 */
extern void
cdr_call_of_values(const Datum *values, const bool *nulls, CdrCall *call);

/* The same, but returns NULL, or why merge_state cannot be read. */
extern const char *
cdr_call_try_values(const Datum *values, const bool *nulls, CdrCall *call);

/* clang-format off */

/* Where the columns stand. */
#define CDR_AT(name, type, comment) CDR_AT_##name,
enum { CDR_CALL_COLUMNS(CDR_AT) };

/* clang-format on */

#endif /* CDR_CALL_VALUES_H */
