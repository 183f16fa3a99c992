/*-------------------------------------------------------------------------
 *
 * seal.h
 *	  Seals what was recorded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SEAL_H
#define CDR_SEAL_H

#include "store/tables.h"

/*
 * In the transaction of the caller, as the role that writes: makes seals of what
 * waits for them, puts them and other entries that wait into the log, and takes a
 * checkpoint.  Returns how many entries that made.
 */
extern int64 cdr_seal_waiting(const CdrTables *tables);

/* Are the tables there that this needs? */
extern bool cdr_can_seal(const CdrTables *tables);

/* Does anything wait?  Takes no lock on rows. */
extern bool cdr_has_unsealed(const CdrTables *tables);

#endif /* CDR_SEAL_H */
