/*-------------------------------------------------------------------------
 *
 * mapping_table.h
 *	  The table cdr_mappings, as the library reads it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_TABLE_H
#define CDR_MAPPING_TABLE_H

#include "access/tupdesc.h"
#include "nodes/pg_list.h"

#include "base/reason.h"

/* The columns that the library knows, whatever others there are. */
typedef enum CdrMappingColumn
{
	CDR_MAPPING_ID,
	CDR_MAPPING_NAME,
	CDR_MAPPING_VERSION,
	CDR_MAPPING_DEFINITION,
	CDR_MAPPING_ENABLED,
	CDR_MAPPING_PRIORITY,
	CDR_MAPPING_CREATED_AT,
	CDR_MAPPING_CREATED_BY
} CdrMappingColumn;

#define CDR_MAPPING_NCOLUMNS (CDR_MAPPING_CREATED_BY + 1)

/* Where they stand in a table. */
typedef struct CdrMappingPlaces
{
	AttrNumber numbers[CDR_MAPPING_NCOLUMNS];
} CdrMappingPlaces;

/* A row: one version of a mapping. */
typedef struct CdrMappingRow
{
	int			id; /* that the log records */
	const char *name;
	int			version;
	const char *definition; /* not NUL-terminated; NULL: was not asked for */
	size_t		length;
	bool		enabled;
	int			priority;
} CdrMappingRow;

/*
 * Finds the columns; false if there is one that is not as the extension has made
 * it, with the reason.
 */
extern bool cdr_mapping_places(TupleDesc columns, CdrMappingPlaces *places,
							   CdrReasonBuffer *why);

/*
 * The table of this database's extension; InvalidOid: there is none.  Needs a
 * transaction.
 */
extern Oid cdr_mapping_table(void);

/*
 * All rows that are committed, or of this transaction, as a list of
 * CdrMappingRow in the current context; *done is false, with the reason, if they
 * cannot be read.  The caller has a lock on the table.
 *
 * It is read as a catalog is, whoever runs: what it says is a matter of the
 * library and not of who may read it, and nothing that is hung on the table runs.
 */
extern List *cdr_mapping_rows(Oid table, bool with_definitions, bool *done,
							  CdrReasonBuffer *why);

#endif /* CDR_MAPPING_TABLE_H */
