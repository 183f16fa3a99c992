/*-------------------------------------------------------------------------
 *
 * tag.h
 *	  Deliveries, and when they may be acknowledged.
 *
 * A delivery is one event, or an array of them (event/each.h).  Then each is stored,
 * halved or kept waiting by itself, and the delivery is acknowledged when the last
 * of them is durable.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TAG_H
#define CDR_TAG_H

/* What the events of one delivery have in common. */
typedef struct CdrShare CdrShare;

/* The delivery that an event came in. */
typedef struct CdrTag
{
	uint64	  number; /* in its session */
	CdrShare *share;  /* NULL: nothing else came in it */
} CdrTag;

/*
 * A delivery of so many events.  What these point to is in the context, of that many
 * bytes, and is freed with it once none of them is held any more; a copy of one does
 * not hold it.
 */
extern CdrShare *
cdr_share_begin(int count, MemoryContext context, size_t size);

/* A context for what the events of a delivery point to. */
extern MemoryContext cdr_share_context(void);

/* Bytes that deliveries of several events hold. */
extern size_t cdr_shares_size(void);

/* One event is durable.  May its delivery be acknowledged? */
extern bool cdr_tag_stored(const CdrTag *tag);

/* One event is not held any more: stored, or copied to be. */
extern void cdr_tag_passed(const CdrTag *tag);

/* The session is over: all of them are forgotten. */
extern void cdr_shares_drop(void);

#endif /* CDR_TAG_H */
