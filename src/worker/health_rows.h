/*-------------------------------------------------------------------------
 *
 * health_rows.h
 *	  Whether all is well: the rows of the view cdr_health.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_HEALTH_ROWS_H
#define CDR_HEALTH_ROWS_H

#include "nodes/execnodes.h"

#include "worker/stats.h"

/* Those of cdr_check_health(), in health.sql. */
#define CDR_HEALTH_COLUMNS 4

typedef enum CdrHealthLevel
{
	CDR_HEALTH_OK,
	CDR_HEALTH_WARNING,
	CDR_HEALTH_CRITICAL
} CdrHealthLevel;

/* All workers at one moment, and where the rows go. */
typedef struct CdrHealth
{
	ReturnSetInfo  *info;
	TimestampTz		now;
	CdrWorkerStats *workers; /* cdr_workers of them; NULL: not preloaded */
} CdrHealth;

/* Adds the row of a check; no hint: NULL. */
extern void
cdr_health_put(CdrHealth *health, const char *check, CdrHealthLevel level,
			   const char *detail, const char *hint);

#endif /* CDR_HEALTH_ROWS_H */
