/*-------------------------------------------------------------------------
 *
 * tables.h
 *	  Where the extension's tables are, and whether they are fit for use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TABLES_H
#define CDR_TABLES_H

#include "storage/lockdefs.h"

#include "store/shape.h"

#define CDR_EXTENSION_NAME "cdr_service"

/* The role that CREATE EXTENSION makes and gives the tables to. */
#define CDR_ROLE_NAME "cdr_service"

/* The extension's tables in the database of this process. */
typedef struct CdrTables
{
	Oid	 extension;
	Oid	 schema;
	Oid	 table[CDR_NTABLES];		  /* InvalidOid: missing */
	Oid	 owner;						  /* of calls; InvalidOid without it */
	char version[32];				  /* of the extension's SQL */
	char quoted[NAMEDATALEN * 2 + 3]; /* the schema, ready for SQL text */
} CdrTables;

typedef enum CdrTablesState
{
	CDR_NO_EXTENSION,
	CDR_TABLES_UNFIT,
	CDR_TABLES_FIT
} CdrTablesState;

/* The name of a table, without schema. */
extern const char *cdr_table_name(CdrTable table);

/*
 * Looks up the extension, and by their names the tables in its schema; needs a
 * transaction.  False where the extension does not exist (or is being
 * dropped).
 */
extern bool cdr_tables_find(CdrTables *tables);

/*
 * The same, with a lock on the extension: one at a time changes which tables are
 * its own, and none while it is dropped.  ERROR (42704) where it does not exist.
 */
extern void cdr_tables_require_extension(CdrTables *tables);

/* Is one of the tables not there? */
extern bool cdr_tables_lack_one(const CdrTables *tables);

/* Locks those that are there. */
extern void cdr_tables_lock_present(const CdrTables *tables, LOCKMODE mode);

/*
 * Keeps all who write them out, and lets all who read them in, until the end of
 * the transaction.  In the order in which writers lock.
 */
extern void cdr_tables_keep_writers_out(const CdrTables *tables);

/* Does the extension depend on the table, that is, is it ours? */
extern bool cdr_table_is_adopted(Oid extension, Oid table);

/* Does it depend on any, whatever their names are now? */
extern bool cdr_tables_were_adopted(Oid extension);

/*
 * Finds the tables and locks them as the statements will: so that DROP
 * EXTENSION either waits for us or is seen, and so that whoever is making a
 * partition, which locks the default one, is waited for before the statements
 * look which partitions there are.  Then looks whether they are what the
 * statements need: that is remembered until one of them is altered, so that it
 * costs nothing.  What is wrong with tables that are not fit is left in why.
 */
extern CdrTablesState
cdr_tables_lock(CdrTables *tables, LOCKMODE mode, CdrReasonBuffer *why);

/*
 * The same for some of the tables, a set of bits.  The others are not locked
 * unless they have to be looked at: so a lock that somebody has on them holds
 * nothing that does not need them.
 */
#define CDR_TABLE_BIT(table) (1u << (table))
#define CDR_ALL_TABLES		 (CDR_TABLE_BIT(CDR_NTABLES) - 1)

extern CdrTablesState
cdr_tables_lock_some(CdrTables *tables, unsigned needed, LOCKMODE mode,
					 CdrReasonBuffer *why);

/* The same for SQL functions: ERROR (55000, 42703 for a column that is missing)
 * unless the tables are fit; 25006 where the transaction may not write, and the
 * mode says that the caller does. */
extern void cdr_tables_require(CdrTables *tables, LOCKMODE mode);

#endif /* CDR_TABLES_H */
