/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The background workers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WORKER_H
#define CDR_WORKER_H

/* Registers cdr_service.workers of them; for _PG_init. */
extern void cdr_worker_register(void);

/* Entry point of worker number DatumGetInt32(argument). */
extern PGDLLEXPORT void cdr_worker_main(Datum argument);

#endif /* CDR_WORKER_H */
