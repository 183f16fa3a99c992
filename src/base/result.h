/*-------------------------------------------------------------------------
 *
 * result.h
 *	  Rows of SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RESULT_H
#define CDR_RESULT_H

#include "nodes/execnodes.h"

/*
 * Adds a row to the result of a function, which is a tuple store.  ERROR (55000)
 * if the function is declared with another number of columns, as a script of
 * another version than the library's may do: what it is declared with is what the
 * server reads.
 */
extern void
cdr_put_row(ReturnSetInfo *info, int ncolumns, Datum *values, bool *nulls);

#define CDR_PUT_ROW(info, values, nulls) \
	cdr_put_row(info, (int) lengthof(values), values, nulls)

#endif /* CDR_RESULT_H */
