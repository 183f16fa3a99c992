/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  Prepared statements over a batch of rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STATEMENT_H
#define CDR_STATEMENT_H

#include "executor/spi.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* More than any of our rows has. */
#define CDR_COLUMNS_MAX 64

/*
 * One statement, of static storage.  Its text is a format: each %1$s is the
 * schema of the tables, and %2$s a relation "given" that holds the rows of a
 * batch, with columns c1, c2 and so on; or (has_rows is false) it takes
 * parameters.
 */
typedef struct CdrStatement
{
	const char *sql;
	bool		has_rows;
	int			ncolumns;				/* of its rows, or parameters */
	Oid			types[CDR_COLUMNS_MAX]; /* of those */

	/*
	 * A query that looks for rows of a batch in a table, by its key.  It is
	 * planned each time, with the bounds of a stretch of time ($2, $3) as
	 * constants: so it is planned for the partitions of that stretch alone, and
	 * locks no others; and so that each row is found through an index, which is
	 * not left to statistics that may be missing.
	 */
	bool is_lookup;

	/* filled in by statement.c */
	SPIPlanPtr plan; /* NULL: not prepared */
	int		   running;
	TupleDesc  rows; /* what its rows look like; NULL: not made yet */
} CdrStatement;

/* Rows for a statement while they are collected. */
typedef struct CdrRows
{
	CdrStatement	*statement;
	Tuplestorestate *store;	 /* NULL: the executor has it */
	int64			 secret; /* of this execution, for cdr_rows() */
	Datum			 values[CDR_COLUMNS_MAX]; /* of the row in hand */
	bool			 nulls[CDR_COLUMNS_MAX];
} CdrRows;

/*
 * Connects to SPI, for sets of statements, each ended by NULL, over tables in
 * schema (a quoted identifier).  Plans are kept from one connection to the
 * next.
 */
extern void cdr_statements_open(CdrStatement *const *const *sets, int nsets,
								const char *schema);
extern void cdr_statements_close(void);

/* Has all plans made anew: after an error, one may hold on to what is gone. */
extern void cdr_statements_forget(CdrStatement *const *const *sets, int nsets);

/* Rows live in the memory context that is current at their begin. */
extern CdrRows *cdr_rows_begin(CdrStatement *statement);

/* A field of the row in hand; what text, bytes and time do not say is NULL. */
extern void cdr_row_put(CdrRows *rows, int column, Datum value, bool isnull);
extern void cdr_row_put_text(CdrRows *rows, int column, const char *text);
extern void
cdr_row_put_bytes(CdrRows *rows, int column, const char *bytes, size_t length);
extern void cdr_row_put_time(CdrRows *rows, int column, TimestampTz time);
extern void cdr_row_put_id(CdrRows *rows, int column, const pg_uuid_t *id);

/* The row in hand is complete. */
extern void cdr_row_end(CdrRows *rows);

/*
 * Runs the statement over the rows, and frees them.  The result is in
 * SPI_tuptable and SPI_processed; another than expected (SPI_OK_...) is an
 * ERROR.
 */
extern void cdr_rows_execute(CdrRows *rows, int expected);

/* The same for a lookup, in the stretch of time from one time until another. */
extern void
cdr_rows_look_up(CdrRows *rows, TimestampTz from, TimestampTz until);

/*
 * Runs a statement that changes or deletes rows by their keys: each is found
 * through an index, whatever the statistics say.
 */
extern void cdr_rows_change(CdrRows *rows, int expected);

/* Runs a statement with parameters; nulls as for SPI_execute_plan(). */
extern void cdr_statement_execute(CdrStatement *statement, Datum *parameters,
								  const char *nulls, int expected);

/* A field of the result; column counts from 1, as in SPI. */
extern Datum cdr_result(uint64 row, int column, bool *isnull);

#endif /* CDR_STATEMENT_H */
