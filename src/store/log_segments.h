/*-------------------------------------------------------------------------
 *
 * log_segments.h
 *	  The stretches of a Call-ID, computed from the log, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LOG_SEGMENTS_H
#define CDR_LOG_SEGMENTS_H

#include "call/segments.h"
#include "store/cursor.h"
#include "store/tables.h"

/*
 * The events of a call, AS e, as they happened; $1 is the call, %s the schema.
 * With a search_path of pg_catalog.
 */
#define CDR_FROM_CALL \
	" FROM %s.call_events AS e WHERE e.call_id = $1 ORDER BY "
#define CDR_EVENT_ORDER                              \
	"e.event_time, e.event_type::text COLLATE \"C\"" \
	" IS DISTINCT FROM 'call.started', e.event_id"
#define CDR_EVENTS_OF_CALL CDR_FROM_CALL CDR_EVENT_ORDER

/*
 * The same in the order in which they make stretches: what functions made comes
 * first.  Corrections and closings are of the row of calls, which is the first
 * stretch.
 */
#define CDR_EVENTS_OF_STRETCHES \
	CDR_FROM_CALL "e.time_source IS DISTINCT FROM 'f', " CDR_EVENT_ORDER

/*
 * Memory: that of the largest event, and of what the stretches in hand say,
 * however many events they have.
 */
typedef struct CdrLogSegments
{
	CdrCursor	  cursor;
	CdrSegments	  segments;
	MemoryContext scratch;	 /* for one event */
	MemoryContext strings;	 /* of the stretches that are not complete */
	MemoryContext strings_2; /* takes turns with it */
} CdrLogSegments;

/* Reads a call (text), in SPI, which is connected. */
extern void cdr_log_segments_open(CdrLogSegments *log, const CdrTables *tables,
								  Datum call_id);

/*
 * The next stretch, with strings in the context given; false at the end.
 */
extern bool cdr_log_segments_next(CdrLogSegments *log, MemoryContext context,
								  CdrSegment *segment);

extern void cdr_log_segments_close(CdrLogSegments *log);

#endif /* CDR_LOG_SEGMENTS_H */
