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
#include "utils/queryenvironment.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* More than any of our rows has. */
#define CDR_COLUMNS_MAX 64

/*
 * One statement, of static storage.  It reads a batch of rows from a relation
 * that exists for its session alone, under the name given here; or (rows is
 * NULL) takes parameters.
 */
typedef struct CdrStatement
{
	const char *sql;					/* each %1$s is the schema */
	const char *rows;					/* name of its relation, or NULL */
	int			ncolumns;				/* of that, or parameters */
	Oid			types[CDR_COLUMNS_MAX]; /* of those */

	/* filled in by statement.c */
	SPIPlanPtr				   plan; /* NULL: not prepared */
	int						   running;
	EphemeralNamedRelationData relation;
} CdrStatement;

/* Rows for a statement while they are collected. */
typedef struct CdrRows
{
	CdrStatement	*statement;
	Tuplestorestate *store;
	Datum			 values[CDR_COLUMNS_MAX]; /* of the row in hand */
	bool			 nulls[CDR_COLUMNS_MAX];
} CdrRows;

/*
 * Connects to SPI and makes sets of statements, each ended by NULL, known to
 * it, for tables in schema (a quoted identifier).  Plans are kept from one
 * session to the next.
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

/* The same for a query, which sees what is committed at this moment. */
extern void cdr_rows_query_latest(CdrRows *rows);

/* Runs a statement with parameters; nulls as for SPI_execute_plan(). */
extern void cdr_statement_execute(CdrStatement *statement, Datum *parameters,
								  const char *nulls, int expected);

/* A field of the result; column counts from 1, as in SPI. */
extern Datum cdr_result(uint64 row, int column, bool *isnull);

#endif /* CDR_STATEMENT_H */
