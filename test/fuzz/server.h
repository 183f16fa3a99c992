/*-------------------------------------------------------------------------
 *
 * server.h
 *	  What delivery.c has of the server, for programs without one; frames.c
 *	  defines it.  The compiler reads this before each file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SERVER_H
#define SERVER_H

#include "postgres_fe.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

typedef void *MemoryContext;

extern void		  *MemoryContextAlloc(MemoryContext context, Size size);
extern Size		   GetMemoryChunkSpace(void *pointer);
extern TimestampTz GetCurrentTimestamp(void);

#endif /* SERVER_H */
