/*-------------------------------------------------------------------------
 *
 * unread.h
 *	  What stands in a body and nobody has read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_UNREAD_H
#define CDR_UNREAD_H

#include "base/reason.h"

/* What is told of one value: so many bytes of it, as it stands there. */
#define CDR_UNREAD_EXCERPT 100

/* Takes one member, or element, with the beginning of its value; copies both. */
typedef void
CdrTakeUnread(void *state, const char *place, const char *excerpt);

/*
 * Finds the members of a JSON object, and of the objects and arrays in it, that
 * are not among the places that were read: JSON pointers, which are sorted here.
 * Each is taken once, with all that is in it; what says nothing (null, an empty
 * string) is not.  The places of the object begin with prefix, "" if it is the
 * body.  A text that is no JSON object has none.
 *
 * Memory: some bytes for each level.  Time: that of a parse, and of a search among
 * the places for each member.
 */
extern void
cdr_unread(const char *text, size_t length, const char *prefix,
		   const char **read, int nread, CdrTakeUnread *take, void *state);

#endif /* CDR_UNREAD_H */
