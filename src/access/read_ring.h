/*-------------------------------------------------------------------------
 *
 * read_ring.h
 *	  Reads that were noticed, in shared memory until a process records them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_READ_RING_H
#define CDR_READ_RING_H

#include "datatype/timestamp.h"

/* One statement of one session. */
typedef struct CdrRead
{
	Oid			database;
	TimestampTz at;
	int64		rows;	  /* below 0: not known */
	int64		query_id; /* 0: none */
	unsigned	tables;	  /* bits, as CDR_TABLE_BIT() has them */
	const char *command;  /* of static storage, in the library that all have */
	NameData	login;
	NameData	role;
	NameData	application;
	char		address[64]; /* empty: a socket of the machine */
} CdrRead;

/* For _PG_init(), preloading: the memory. */
extern void cdr_read_ring_init(void);

/* Keeps a read until it is recorded; where nobody is going to, or there are too many,
 * it goes to the server's log.  Never waits for who records. */
extern void cdr_read_keep(const CdrRead *read);

/*
 * For the process that records, connected to its database, outside of a transaction:
 * from now on, until it ends, reads are kept for it.  And: records what is kept.
 */
extern void cdr_reads_serve(void);
extern void cdr_reads_record(void);

#endif /* CDR_READ_RING_H */
