/*-------------------------------------------------------------------------
 *
 * locks.h
 *	  Locks on things that no row stands for, held to the end of the
 *	  transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LOCKS_H
#define CDR_LOCKS_H

/* Locks out whoever else is making partitions. */
extern void cdr_lock_partitions(void);

/* Locks out whoever else is adding or enabling mappings. */
extern void cdr_lock_mappings(void);

/* Locks out whoever else is moving events in the log. */
extern void cdr_lock_remap(void);

/* Locks out whoever else deletes rows of the rollup; the second form does not wait
 * for him, and says whether it has the lock. */
extern void cdr_lock_rollup(void);
extern bool cdr_try_lock_rollup(void);

/* Is nobody else evaluating alert rules?  Does not wait. */
extern bool cdr_try_lock_alerts(void);

/* Locks out whoever else is sealing. */
extern void cdr_lock_seals(void);

#endif /* CDR_LOCKS_H */
