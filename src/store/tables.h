/*-------------------------------------------------------------------------
 *
 * tables.h
 *	  Where the extension's tables are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TABLES_H
#define CDR_TABLES_H

#define CDR_EXTENSION_NAME "cdr_service"

/* The extension's tables in the database of this process. */
typedef struct CdrTables
{
	Oid	 schema;
	Oid	 call_events;
	Oid	 call_events_default;
	Oid	 calls;
	Oid	 dead_letters;
	Oid	 owner;						  /* of calls */
	char version[32];				  /* of the extension's SQL */
	char quoted[NAMEDATALEN * 2 + 3]; /* the schema, ready for SQL text */
} CdrTables;

/*
 * Looks the tables up; needs a transaction.  False where the extension does
 * not exist (or is being dropped).
 */
extern bool cdr_tables_find(CdrTables *tables);

/* Does this library know the SQL of that version? */
extern bool cdr_tables_are_supported(const CdrTables *tables);

/*
 * Finds the tables and locks them as the statements will: so that DROP
 * EXTENSION either waits for us or is seen, and so that whoever is making a
 * partition, which locks the default one, is waited for before the statements
 * look which partitions there are.  False where they are missing, or of a
 * version that is not supported.
 */
extern bool cdr_tables_lock(CdrTables *tables);

/*
 * For SQL functions, where the tables must be there: ERROR (55000), if not.
 * The second one locks them, as above, and throws for another version, too.
 */
extern void cdr_tables_require(CdrTables *tables);
extern void cdr_tables_require_locked(CdrTables *tables);

#endif /* CDR_TABLES_H */
