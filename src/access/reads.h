/*-------------------------------------------------------------------------
 *
 * reads.h
 *	  Notices who reads calls past the functions that record it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_READS_H
#define CDR_READS_H

/* For _PG_init(), preloading. */
extern void cdr_reads_init(void);

#endif /* CDR_READS_H */
