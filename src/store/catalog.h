/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  Where the extension's tables are, and as whom they are written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CATALOG_H
#define CDR_CATALOG_H

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
extern bool cdr_catalog_find(CdrTables *tables);

/* Does this library know the SQL of that version? */
extern bool cdr_catalog_is_supported(const CdrTables *tables);

/* Before one works on the tables as the extension's role, and to go back. */
typedef struct CdrRights
{
	Oid user;
	int security_context;
	int guc_level;
} CdrRights;

/* Who writes rows: cdr_service.role, or else the owner of calls.  ERROR for an
 * unknown role. */
extern Oid cdr_catalog_writer(const CdrTables *tables);

/*
 * Becomes a role that works on the tables, in a security-restricted context
 * and under a safe search_path.  A (sub)transaction that is aborted goes back
 * by itself.  ERROR if the role is a superuser, and somebody who is none can
 * have code run with its rights: the owner of a table, or of the function of
 * a trigger.
 */
extern void cdr_catalog_assume_rights(const CdrTables *tables, Oid role,
									  CdrRights *before);
extern void cdr_catalog_restore_rights(const CdrRights *before);

#endif /* CDR_CATALOG_H */
