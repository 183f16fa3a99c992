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

/* By how many tries alone have failed, until it does not matter any more. */
#define CDR_HELD_LEVELS 8

/* One of them, with all that it points to, in a context of its own. */
typedef struct CdrHeldMessage
{
	dlist_node	  node;		  /* among all */
	dlist_node	  level_node; /* among those of its level */
	MemoryContext context;
	CdrMessage	  message;
	CdrTag		  tag;	/* of its delivery */
	size_t		  size; /* with all that it takes to keep it */
	CdrMoment	  since;
	int			  failures;		 /* of tries alone; 0: there was none */
	int			  timeouts;		 /* of these, that took too long */
	int			  patient_tries; /* of these, that had much time */
	CdrMoment	  due;			 /* for the next try */
} CdrHeldMessage;

/*
 * They are not acknowledged.  Each has a time for its next try, the later the more
 * tries have failed: so what is sound, and was refused once or twice for the moment,
 * does not stand behind all that is bad.  And they have their turns: the one that
 * was tried longest ago comes next, which shows whether their cause is gone.
 */
typedef struct CdrHeld
{
	MemoryContext context;
	dlist_head	  messages;				   /* in the order of their turns */
	dlist_head	  levels[CDR_HELD_LEVELS]; /* in that of their times */
	int			  count;
	int			  tried; /* of these, alone */
	size_t		  bytes;
	uint32		  generation;  /* of the session that they came from */
	uint64		  last_tag;	   /* the highest of them, so far */
	uint64		  room_tag;	   /* what came before takes no room from others */
	int			  taking_room; /* how many do */
	int			  round;	   /* turns that are due, without a pause */
	bool		  any_stored;  /* in this round: then another follows */
	CdrMoment	  turn;		   /* the next one, without a round */
	CdrMoment	  pause;	   /* none is tried before, but what was not yet */
	CdrMoment	  patient_at;  /* none has much time before */
	CdrMoment	  patient_again_at; /* nor has this one: */
	const void	 *patient; /* the last that had; only to be compared */
} CdrHeld;

/* None, in a context of its own below the current one. */
extern void cdr_held_init(CdrHeld *held);

/* Forgets them; the broker delivers them again. */
extern void cdr_held_drop(CdrHeld *held);

/* A copy of a message of the broker, in the current memory context. */
extern CdrMessage cdr_held_copy(const CdrMessage *message);

/*
 * Copies a message, to be tried again in its time; one that was not tried alone
 * yet, before the others.
 */
extern void cdr_held_add(CdrHeld *held, const CdrMessage *message, CdrTag tag,
						 uint32 generation, bool was_tried);

/* Others have room again, beside all that are here. */
extern void cdr_held_take_no_room(CdrHeld *held);

/* How many were not tried alone yet. */
static inline int
cdr_held_untried(const CdrHeld *held)
{
	return held->count - held->tried;
}

/* When the next is to be tried; there is one. */
extern CdrMoment cdr_held_due(CdrHeld *held);

/*
 * The one to be tried then: one that was not tried yet; or that whose turn it is; or,
 * of those whose time has come, one that failed as rarely as any.
 */
extern CdrHeldMessage *cdr_held_next(CdrHeld *held);

/* It could not be stored, again: it is the last, and its time comes later. */
extern void cdr_held_failed(CdrHeld *held, CdrHeldMessage *message);

/*
 * It is stored, and forgotten.  What it waited for may have kept the others, too: so
 * all have a turn, the oldest first, each once, and all again if any of them is
 * stored.  To find a delivery that is acknowledged, RabbitMQ looks through all that
 * are older.
 */
extern void cdr_held_stored(CdrHeld *held, CdrHeldMessage *message);

/* All have a turn now. */
extern void cdr_held_begin_round(CdrHeld *held);

#endif /* CDR_HELD_H */
