/*-------------------------------------------------------------------------
 *
 * unacked.h
 *	  The messages that were received and are not acknowledged yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_UNACKED_H
#define CDR_UNACKED_H

#include "base/clock.h"
#include "broker/broker.h"
#include "event/event.h"
#include "worker/tag.h"

/* Bytes of messages after which a batch is full. */
#define CDR_BATCH_BYTES_MAX (16 * 1024 * 1024)

/*
 * They are stored in the order in which they came, a chunk at a time.  All
 * that they point to lives in the context, which is reset when the last of
 * them is acknowledged.
 *
 * A delivery that is an array of events becomes several of these messages, just
 * before they are stored: by the mappings of that moment.
 */
typedef struct CdrUnacked
{
	MemoryContext context;
	CdrMessage	 *messages;
	CdrTag		 *tags;
	int			  capacity;
	int			  received; /* deliveries */
	int			  count;
	int			  acknowledged; /* the first so many, or passed on */
	int			  whole;		/* from there on, none was taken apart yet */
	uint32		  generation;	/* of the session that they came from */
	size_t		  bytes;
	CdrMoment	  first_at; /* when the first of them came */
} CdrUnacked;

/* None, in a context of its own below the current one. */
extern void cdr_unacked_init(CdrUnacked *unacked);

/* Forgets them; what is not acknowledged comes again. */
extern void cdr_unacked_drop(CdrUnacked *unacked);

/*
 * Takes deliveries until there are limit of them, or as many bytes, or nothing
 * more has come, and says which.
 */
extern CdrReceive cdr_unacked_receive(CdrUnacked *unacked, CdrBroker *broker,
									  int limit, size_t byte_limit);

/*
 * Takes deliveries apart that are arrays of events, until there are that many
 * messages to be stored, or those in arrays take too much memory; one at least.
 */
extern void cdr_unacked_take_apart(CdrUnacked *unacked, int most);

/* How many messages can be stored now. */
static inline int
cdr_unacked_ready(const CdrUnacked *unacked)
{
	return unacked->whole - unacked->acknowledged;
}

/*
 * Reads the next messages that are to be stored together, as many as make a
 * batch of that many at most, into events, in the current memory context; fewer,
 * where what was compressed takes too much of it.
 */
extern CdrEvent *
cdr_unacked_parse(const CdrUnacked *unacked, int most, int *count);

/*
 * Acknowledges the next count messages, which are durable; one by one, where
 * others that came before them are not.  False if that could not be sent: then
 * they come again.
 */
extern bool cdr_unacked_acknowledge(CdrUnacked *unacked, CdrBroker *broker,
									int count, bool one_by_one);

/* The next count messages are somebody else's to acknowledge. */
extern void cdr_unacked_pass(CdrUnacked *unacked, int count);

/* So are those of the next count that are not to be kept; at least one is. */
extern void cdr_unacked_keep(CdrUnacked *unacked, int count, const bool *keep);

#endif /* CDR_UNACKED_H */
