/*-------------------------------------------------------------------------
 *
 * shape.h
 *	  What this library needs the tables to be like: kind, columns and keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SHAPE_H
#define CDR_SHAPE_H

#include "nodes/pg_list.h"

#include "base/reason.h"

/* The tables, where they are counted. */
typedef enum CdrTable
{
	CDR_CALL_EVENTS,
	CDR_CALLS,
	CDR_DEAD_LETTERS,
	CDR_TIMELESS_EVENTS
} CdrTable;
#define CDR_NTABLES (CDR_TIMELESS_EVENTS + 1)

/*
 * What is asked of a relation, which the caller has locked, that is to be one
 * of the tables.  All are false with the reason, which names what does not fit
 * (55000; 42703 for a column that is missing and could be added).
 */

/*
 * Could it be that table, of this version or of another?  That is, is it of the
 * right kind, with the columns of the key, and are the columns that it has of
 * the right types?
 */
extern bool
cdr_shape_resembles(CdrTable table, Oid relation, CdrReasonBuffer *why);

/* Has it its key?  That comes last when a dump is restored. */
extern bool
cdr_shape_has_key(CdrTable table, Oid relation, CdrReasonBuffer *why);

/* Are a table and its partitions, which are given, permanent? */
extern bool cdr_shape_is_permanent(const List *members, CdrReasonBuffer *why);

/* Has it all columns?  Those of a later version can be added. */
extern bool
cdr_shape_has_columns(CdrTable table, Oid relation, CdrReasonBuffer *why);

#endif /* CDR_SHAPE_H */
