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

/* A clock that goes back by more has been set. */
#define CDR_SET_BACK USECS_PER_SEC

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

/*
 * Did nobody reserve times from one on before these were, since the server started?
 * Never without preloading, which has no memory of that.
 */
extern bool cdr_recording_is_alone(TimestampTz first);

/*
 * Was the clock set back, from which time to which, since that was last put down?
 * And: this has been.
 */
extern bool cdr_recording_set_back(TimestampTz *from, TimestampTz *to);
extern void cdr_recording_set_back_told(TimestampTz to);

#endif /* CDR_RECORDING_H */
