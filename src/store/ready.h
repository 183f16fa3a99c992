/*-------------------------------------------------------------------------
 *
 * ready.h
 *	  Whether a worker may begin to consume.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_READY_H
#define CDR_READY_H

#include "store/tables.h"

/*
 * Looks whether events could be stored, in transactions of its own: whether
 * the extension is there, its tables fit, and somebody other than a superuser
 * writes them.  Adopts tables that came without the extension, by pg_upgrade,
 * and adds columns that those of an older version lack.  An error counts as
 * CDR_TABLES_UNFIT, with the reason; columns that were added are told of in why,
 * too, which otherwise is left empty (its SQLSTATE is 0).
 */
extern CdrTablesState cdr_tables_prepare(CdrReasonBuffer *why);

/* Are there tables that the extension does not depend on, and could? */
extern bool cdr_adoption_is_due(const CdrTables *tables);

#endif /* CDR_READY_H */
