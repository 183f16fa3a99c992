/*-------------------------------------------------------------------------
 *
 * rebuild.h
 *	  SQL: the stored calls, written anew from the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REBUILD_H
#define CDR_REBUILD_H

#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_rebuild_statements[];

#endif /* CDR_REBUILD_H */
