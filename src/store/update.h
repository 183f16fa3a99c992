/*-------------------------------------------------------------------------
 *
 * update.h
 *	  Brings tables of an older version up to date.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_UPDATE_H
#define CDR_UPDATE_H

#include "store/tables.h"

/*
 * The columns of the tables, as this library needs them: SQL text, for
 * cdr_command(), which it is an argument of.
 */
extern const char cdr_column_list[];
#define CDR_LISTED_COLUMNS \
	"(%s) AS c(table_name, column_name, definition, comment)"

/*
 * Adds the columns that the tables lack, as their owner; needs a transaction.
 * Returns how many.  ERROR (42501) if the owner is a superuser.
 */
extern int cdr_update_columns(const CdrTables *tables);

/*
 * Makes the indexes that a table lacks, whatever their names are, within an SPI
 * connection; returns how many.  No event trigger hears of them.
 */
extern int cdr_make_indexes(const CdrTables *tables, CdrTable table);

#endif /* CDR_UPDATE_H */
