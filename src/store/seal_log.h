/*-------------------------------------------------------------------------
 *
 * seal_log.h
 *	  The log of seals: which one is written, and its checkpoints.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SEAL_LOG_H
#define CDR_SEAL_LOG_H

#include "store/seal_mark.h"
#include "store/tables.h"

/* A log, as the transaction that adds to it found it. */
typedef struct CdrSealLog
{
	int	  number; /* at the end of its origin */
	int64 size;	  /* entries that its last checkpoint covers */
	Datum peaks;  /* of their tree: bytea[] */
	char  base[CDR_ORIGIN_MAX + 1]; /* its origin, without the number */
	char *place; /* which server, timeline, database, table */

	/* entries of its own, before those of seals */
	int			nfirst;
	const char *first[2];
	TimestampTz
		told; /* one tells that the clock was set back to this; 0: none */
} CdrSealLog;

/* Finds the log that is to be written; SPI is connected, the lock on seals held. */
extern void cdr_seal_log_find(const CdrTables *tables, CdrSealLog *log);

/* Its entries since are complete: adds its own, and takes a checkpoint. */
extern void cdr_seal_log_close(const CdrTables *tables, const CdrSealLog *log);

#endif /* CDR_SEAL_LOG_H */
