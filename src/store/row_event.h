/*-------------------------------------------------------------------------
 *
 * row_event.h
 *	  An event, read from a row of somebody's table by the mapping that was named.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROW_EVENT_H
#define CDR_ROW_EVENT_H

#include "event/event.h"

/* What the rows of a table have in common. */
typedef struct CdrRowSource
{
	const char *mapping;	/* the name of the one that reads them */
	int			version;	/* the id of its version; 0: there is none */
	char	   *properties; /* what log and dead letters say of such a row */
} CdrRowSource;

/* Finds the version by which rows are read from now on; in the current context. */
extern void cdr_row_source(const char *mapping, CdrRowSource *source);

/*
 * The message that a row is, as JSON of a length, in the current context; received
 * just now.  Of one that is larger than any event, only the start is pointed to.
 */
extern CdrMessage *
cdr_row_message(const CdrRowSource *source, const char *json, size_t length);

/*
 * The mapping that is to read what has these properties, as the log and dead letters
 * have them, because it was a row; NULL: it was none.  In the current context.
 */
extern const char *cdr_row_mapping(const char *properties);

/*
 * Reads it by the version of its mapping with that id, 0: there is none; of the
 * options, what is in force counts for nothing.  What is not read by it is no event,
 * with the reason.
 */
extern void cdr_row_read(const CdrMessage *message, int version,
						 const CdrEventOptions *options, CdrEvent *event);

#endif /* CDR_ROW_EVENT_H */
