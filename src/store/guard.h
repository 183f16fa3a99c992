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

/* The trigger by which the log is guarded; its clones in partitions have that name. */
#define CDR_GUARD_TRIGGER "cdr_guard"

/* ERROR (55000) where events would be changed by anything but this extension. */
extern void cdr_guard_change(const char *table);

#endif /* CDR_GUARD_H */
