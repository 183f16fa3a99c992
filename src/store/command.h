/*-------------------------------------------------------------------------
 *
 * command.h
 *	  SQL commands that this library runs, one at a time, through SPI.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_COMMAND_H
#define CDR_COMMAND_H

/*
 * Runs an SQL command, made as by printf(), within an SPI connection; ERROR if
 * it fails.  The result is in SPI_tuptable and SPI_processed.
 */
extern void cdr_command(const char *format, ...) pg_attribute_printf(1, 2);

/* The same for a utility command, of which no event trigger hears. */
extern void
cdr_command_unheard(const char *format, ...) pg_attribute_printf(1, 2);

/*
 * The name of a relation for SQL text, with its schema; in palloc'd memory.
 * ERROR (42P01) if there is none.
 */
extern const char *cdr_quoted_name(Oid relation);

/* A name like the one given that neither a relation nor a type of the schema
 * has; in palloc'd memory. */
extern const char *cdr_free_name(const char *wanted, Oid schema);

#endif /* CDR_COMMAND_H */
