/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The guard over the data: tables that hold rows are not dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_GUARD_H
#define CDR_GUARD_H

/* Installs the guard in this process; for _PG_init. */
extern void cdr_guard_init(void);

#endif /* CDR_GUARD_H */
