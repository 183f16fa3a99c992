/*-------------------------------------------------------------------------
 *
 * unlogged.h
 *	  The table cdr_unlogged: entries of the log of seals that are no seals, and
 *	  wait for their place in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_UNLOGGED_H
#define CDR_UNLOGGED_H

#include "store/tables.h"

/* Does an entry wait?  Takes no lock on rows. */
extern bool cdr_has_unlogged(const CdrTables *tables);

/*
 * In the transaction of the caller, who has locked the seals: puts what waits into
 * a log, from that place on.  Returns how many entries that were.
 */
extern int64
cdr_log_waiting(const CdrTables *tables, int log, int64 log_index);

#endif /* CDR_UNLOGGED_H */
