/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  The rows of a query, a few at a time.
 *
 * A result of any length takes the memory of the rows in hand.  Large values
 * of ordinary tables are not among that: a row has pointers to them, and who
 * reads one frees it before the next.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CURSOR_H
#define CDR_CURSOR_H

#include "executor/spi.h"
#include "nodes/execnodes.h"

/* Parameters of a query: $1 and so on. */
#define CDR_CURSOR_ARGUMENTS 4

typedef struct CdrArguments
{
	int	  count;
	bool  are_keys; /* the rows have indexes for them, which are to be used */
	Oid	  types[CDR_CURSOR_ARGUMENTS];
	Datum values[CDR_CURSOR_ARGUMENTS];
} CdrArguments;

typedef struct CdrCursor
{
	Portal		   portal;
	int			   portion; /* rows that are fetched at a time */
	SPITupleTable *rows;	/* those in hand; NULL: none yet */
	uint64		   count;	/* of them */
	uint64		   next;	/* the row after the one that was returned */
} CdrCursor;

/* What a query sees: what its caller does, or what is committed by now too. */
typedef enum CdrCursorSees
{
	CDR_AS_CALLER,
	CDR_AS_OF_NOW
} CdrCursorSees;

/*
 * Opens a cursor, in SPI, which is connected.  Rows that are computed may be
 * large: fetch them one at a time.
 */
extern void cdr_cursor_open(CdrCursor *cursor, const char *sql,
							const CdrArguments *arguments, CdrCursorSees sees,
							int portion);

/* The next row, valid until the next call; NULL at the end. */
extern HeapTuple cdr_cursor_next(CdrCursor *cursor);

/* A value of the row that was returned last; columns count from 1. */
extern Datum
cdr_cursor_value(const CdrCursor *cursor, int column, bool *isnull);

extern void cdr_cursor_close(CdrCursor *cursor);

/* Runs a query and puts all of its rows into the result of an SQL function. */
extern void cdr_cursor_return(ReturnSetInfo *info, const char *sql,
							  const CdrArguments *arguments);

#endif /* CDR_CURSOR_H */
