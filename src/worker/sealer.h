/*-------------------------------------------------------------------------
 *
 * sealer.h
 *	  The process that seals what was recorded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SEALER_H
#define CDR_SEALER_H

#include "postmaster/bgworker.h"

/* For _PG_init(), preloaded. */
extern void cdr_sealer_register(void);

extern PGDLLEXPORT void cdr_sealer_main(Datum argument);

#endif /* CDR_SEALER_H */
