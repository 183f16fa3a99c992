/*-------------------------------------------------------------------------
 *
 * rollup_trigger.h
 *	  The triggers by which changes of calls are counted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_TRIGGER_H
#define CDR_ROLLUP_TRIGGER_H

#include "store/tables.h"

/*
 * Hangs the triggers on calls, unless they hang there; then all of calls is counted
 * anew, while nobody changes it.  Of an older version of the extension, which has
 * none, nothing becomes.
 */
extern void cdr_rollup_hang(const CdrTables *tables);

/* Do they hang there, and do they fire? */
extern bool cdr_rollup_hangs(const CdrTables *tables);

#endif /* CDR_ROLLUP_TRIGGER_H */
