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
extern TimestampTz GetCurrentTimestamp(void);
extern void		   escape_json(StringInfo out, const char *text);

#endif /* SERVER_H */
