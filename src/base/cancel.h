/*-------------------------------------------------------------------------
 *
 * cancel.h
 *	  What a cancel means to a worker.
 *
 * SIGINT comes from pg_cancel_backend(), and from the server's own lock_timeout.
 * Inside of a transaction it ends the statement, as everywhere; elsewhere there
 * is nothing that it could mean.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CANCEL_H
#define CDR_CANCEL_H

/* The handler of SIGINT. */
extern void cdr_cancel_handle(SIGNAL_ARGS);

/* Around each transaction: from here on, a cancel has a meaning. */
extern void cdr_cancel_begin(void);
extern void cdr_cancel_end(void);

/*
 * Has a cancel come since it was last forgotten?  A commit that was waiting
 * for a synchronous standby then did not wait on.
 */
extern bool cdr_cancel_was_seen(void);
extern void cdr_cancel_forget(void);

#endif /* CDR_CANCEL_H */
