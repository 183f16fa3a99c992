/*-------------------------------------------------------------------------
 *
 * outstanding.h
 *	  The deliveries of a session that are not acknowledged yet, by their tags.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_OUTSTANDING_H
#define CDR_OUTSTANDING_H

typedef struct CdrOutstanding
{
	uint64 *tags; /* those from first on, ascending */
	int		first;
	int		count;
	int		limit; /* as many as the broker may send ahead */
} CdrOutstanding;

/* Begins with none; the room for limit of them is in the given context. */
extern void cdr_outstanding_begin(CdrOutstanding *outstanding,
								  MemoryContext context, int limit);

/* From now on there may be so many beside those that there are. */
extern void cdr_outstanding_allow(CdrOutstanding *outstanding, int more);

/* Adds a tag above all others; false if there are limit of them already. */
extern bool cdr_outstanding_add(CdrOutstanding *outstanding, uint64 tag);

/* The highest that is not above a tag; 0 if there is none. */
extern uint64
cdr_outstanding_up_to(const CdrOutstanding *outstanding, uint64 tag);

/* Removes a tag and all below it. */
extern void
cdr_outstanding_remove_up_to(CdrOutstanding *outstanding, uint64 tag);

/* Removes a tag; false if it is not among them. */
extern bool cdr_outstanding_remove(CdrOutstanding *outstanding, uint64 tag);

#endif /* CDR_OUTSTANDING_H */
