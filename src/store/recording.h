/*-------------------------------------------------------------------------
 *
 * recording.h
 *	  What an event gets when it is recorded: its time of recording, which no
 *	  other event has, and its salt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RECORDING_H
#define CDR_RECORDING_H

#include "event/event.h"

typedef struct CdrMark
{
	TimestampTz recorded_at;
	pg_uuid_t	salt; /* random */
} CdrMark;

/* For _PG_init(). */
extern void cdr_recording_init(void);

/*
 * One for each of some events that are about to be written, in palloc'd memory.
 * The times follow each other by a microsecond: day by day (of UTC, by the times
 * of the events), and within a day in the order of the array.
 */
extern CdrMark *cdr_recording_marks(CdrEvent **events, int count);

#endif /* CDR_RECORDING_H */
