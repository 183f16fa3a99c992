/*-------------------------------------------------------------------------
 *
 * halving.h
 *	  Which messages of a batch cannot be stored, found by halving it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_HALVING_H
#define CDR_HALVING_H

#include "base/clock.h"
#include "event/event.h"
#include "worker/tag.h"

/* Events that are stored together: some that stand beside each other. */
typedef struct CdrPart
{
	int first;
	int count;
} CdrPart;

/* What becomes of a message. */
typedef enum CdrWait
{
	CDR_WAITS_NOT = 0,
	CDR_WAITS,		  /* it alone cannot be stored */
	CDR_WAITS_UNTRIED /* nor could others with it: it was not tried alone */
} CdrWait;

/*
 * After a few single events, which show whether anything can be stored, the
 * largest parts are tried first: so what is sound is stored soon.
 */
typedef struct CdrHalving
{
	MemoryContext context;	/* NULL: there is none going on */
	CdrMessage	 *messages; /* of the batch, as they came */
	CdrTag		 *tags;
	int			  count;
	CdrEvent	 *events; /* of these, those of a day and call side by side */
	CdrPart		 *parts;  /* those still to be tried, in this order */
	int			  next_part;
	int			  nparts;
	CdrWait		 *waits;		 /* of each message */
	bool		  took_too_long; /* did they together? */
	int			  failures;		 /* of parts */
	int			  timeouts;		 /* of these, that took too long */
	double		  quickest;		 /* milliseconds for an event; 0: none yet */
	bool		  any_storable;	 /* something was stored, or would be */
	CdrMoment	  deadline;		 /* then the rest is not halved any more */
} CdrHalving;

/*
 * Begins with messages that could not be stored together, count of them (fewer,
 * where what was compressed takes too much memory), in parts of at most max_part.
 * The arrays are copied; what messages point to
 * must stay where it is until the end.
 */
extern void cdr_halving_begin(CdrHalving *halving, const CdrMessage *messages,
							  const CdrTag *tags, int count, int max_part);

extern void cdr_halving_end(CdrHalving *halving);

static inline bool
cdr_halving_goes_on(const CdrHalving *halving)
{
	return halving->context != NULL;
}

/* The part to be tried now; NULL: none is left. */
extern const CdrPart *cdr_halving_part(const CdrHalving *halving);

/* The place of an event's message among the messages. */
extern int
cdr_halving_message(const CdrHalving *halving, const CdrEvent *event);

/*
 * The part was stored, in so many milliseconds; or it was not, and is halved, or
 * waits.
 */
extern void cdr_halving_stored(CdrHalving *halving, long milliseconds);
extern void cdr_halving_failed(CdrHalving *halving, bool took_too_long);

/* Some were stored, or would be, in so many milliseconds. */
extern void
cdr_halving_note_pace(CdrHalving *halving, int events, long milliseconds);

/* Are all events of the part of one day? */
extern bool cdr_halving_part_is_of_one_day(const CdrHalving *halving);

/* The part, or all that was not stored yet, waits, and is tried later. */
extern void cdr_halving_give_up_part(CdrHalving *halving);
extern void cdr_halving_give_up(CdrHalving *halving);

/* Has enough failed to ask whether it is the moment, and not the messages? */
extern bool cdr_halving_is_in_vain(const CdrHalving *halving);

#endif /* CDR_HALVING_H */
