/*-------------------------------------------------------------------------
 *
 * start.h
 *	  How the background workers start.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_START_H
#define CDR_START_H

/* Registers cdr_service.workers of them; for _PG_init. */
extern void cdr_worker_register(void);

/* Entry point of worker number DatumGetInt32(argument). */
extern PGDLLEXPORT void cdr_worker_main(Datum argument);

#endif /* CDR_START_H */
