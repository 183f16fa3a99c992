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

/*
 * Locks the identities (Datums of uuid) of events that no unique index
 * guards.  A fixed number of locks stands for all identities, so that a batch
 * cannot fill the lock table; they are taken in a fixed order.
 */
extern void cdr_lock_identities(const Datum *ids, int count);

/* Locks out whoever else is making partitions. */
extern void cdr_lock_partitions(void);

#endif /* CDR_LOCKS_H */
