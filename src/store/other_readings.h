/*-------------------------------------------------------------------------
 *
 * other_readings.h
 *	  How a message may have been read before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_OTHER_READINGS_H
#define CDR_OTHER_READINGS_H

#include "event/event.h"

/*
 * What an event that the broker delivered before may have been recorded as then,
 * under another key than it has now: an array in the current context.  Returns how
 * many.
 */
extern int cdr_other_readings(const CdrEvent *event, CdrEvent ***others);

#endif /* CDR_OTHER_READINGS_H */
