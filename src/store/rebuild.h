/*-------------------------------------------------------------------------
 *
 * rebuild.h
 *	  The stored calls, written anew from the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REBUILD_H
#define CDR_REBUILD_H

#include "store/comparison.h"
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_rebuild_statements[];

/*
 * Writes anew the calls of a choice that differ from the log, through an open
 * writer.  What they hold of events that are no longer there is kept, but with
 * prune.  Returns how many; adds to left how many differ and were left, because
 * only prune writes them.
 */
extern int64
cdr_calls_rebuild(const CdrTables *tables, const CdrChoice *choice, bool prune,
				  CdrProgress *progress, int64 *left);

#endif /* CDR_REBUILD_H */
