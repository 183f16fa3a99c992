/*-------------------------------------------------------------------------
 *
 * held.h
 *	  Messages that wait, because they alone cannot be stored.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_HELD_H
#define CDR_HELD_H

#include "lib/ilist.h"

#include "base/clock.h"
#include "base/message.h"
#include "worker/tag.h"

/* One of them, with all that it points to, in a context of its own. */
typedef struct CdrHeldMessage
{
	dlist_node	  node;
	MemoryContext context;
	CdrMessage	  message;
	CdrTag		  tag;	/* of its delivery */
	size_t		  size; /* with all that it takes to keep it */
	CdrMoment	  since;
	bool		  was_tried; /* alone */
	int			  timeouts;	 /* how often that took too long */
} CdrHeldMessage;

/* They are not acknowledged; the one whose turn comes next stands first. */
typedef struct CdrHeld
{
	MemoryContext context;
	dlist_head	  messages;
	int			  count;
	int			  tried; /* of these, alone */
	size_t		  bytes;
	uint32		  generation;  /* of the session that they came from */
	uint64		  last_tag;	   /* the highest of them, so far */
	uint64		  room_tag;	   /* what came before takes no room from others */
	int			  taking_room; /* how many do */
	bool		  any_failed;  /* in a turn, since they were in order */
	int			  round;	   /* turns until all of then have had one */
	CdrMoment	  due;		   /* when the next is tried again */
} CdrHeld;

/* None, in a context of its own below the current one. */
extern void cdr_held_init(CdrHeld *held);

/* Forgets them; the broker delivers them again. */
extern void cdr_held_drop(CdrHeld *held);

/* A copy of a message of the broker, in the current memory context. */
extern CdrMessage cdr_held_copy(const CdrMessage *message);

/*
 * Copies a message, to be tried again in its turn; one that was not tried alone
 * yet, before the others.
 */
extern void cdr_held_add(CdrHeld *held, const CdrMessage *message, CdrTag tag,
						 uint32 generation, bool was_tried);

/* Others have room again, beside all that are here. */
extern void cdr_held_take_no_room(CdrHeld *held);

/* The one whose turn it is; there is one. */
extern CdrHeldMessage *cdr_held_first(CdrHeld *held);

/* It was tried, and is the last again. */
extern void cdr_held_rotate(CdrHeld *held);

/*
 * It is stored, and forgotten.  If others could not be stored before it, the oldest
 * comes next, and then the others in their order, each once: to find a delivery that
 * is acknowledged, RabbitMQ looks through all that are older.
 */
extern void cdr_held_remove_first(CdrHeld *held);

#endif /* CDR_HELD_H */
