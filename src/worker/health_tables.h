/*-------------------------------------------------------------------------
 *
 * health_tables.h
 *	  Whether all is well with the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_HEALTH_TABLES_H
#define CDR_HEALTH_TABLES_H

#include "worker/health_rows.h"

/* Rows for the tables; if they fit, for partitions, dead letters, seals and alerts. */
extern void cdr_health_check_tables(CdrHealth *health);

/* A row for retention at an hour of the day, where that is wanted or was. */
extern void cdr_health_check_retention(CdrHealth *health);

/* A row for the mappings. */
extern void cdr_health_check_mappings(CdrHealth *health);

#endif /* CDR_HEALTH_TABLES_H */
