/*-------------------------------------------------------------------------
 *
 * segments.h
 *	  The stretches of a Call-ID that was used again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SEGMENTS_H
#define CDR_SEGMENTS_H

#include "call/merge.h"

/* A stretch: a call of its own, by the rules of all calls. */
typedef struct CdrSegment
{
	CdrCall	  call;
	pg_uuid_t first; /* the event that it begins with */
	bool	  has_late_end;
	pg_uuid_t late_end; /* one of its events, after the start of the next */
} CdrSegment;

/* Its events, taken in their order, and the stretches that are not complete. */
typedef struct CdrSegments
{
	const char *call_id;
	int			open; /* how many */
	CdrSegment	segments[2];
} CdrSegments;

extern void cdr_segments_init(CdrSegments *segments, const char *call_id);

/*
 * Takes the next event: what functions made first; then by time, of the same
 * time call.started before all others, then by id.  Returns whether a stretch is complete, which *done is
 * then; its strings are those of its events.
 */
extern bool cdr_segments_add(CdrSegments *segments, const CdrEvent *event,
							 CdrSegment *done);

/* At the end of the events: takes out the next stretch; false: that was all. */
extern bool cdr_segments_end(CdrSegments *segments, CdrSegment *done);

#endif /* CDR_SEGMENTS_H */
