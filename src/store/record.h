/*-------------------------------------------------------------------------
 *
 * record.h
 *	  Records events: into the log, and exactly those that are new into calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RECORD_H
#define CDR_RECORD_H

#include "event/event.h"

/*
 * Records understood, sorted events through an open writer (writer.h); returns
 * how many were new.  With all_new, none of them is thought to be recorded,
 * and if one is, that is an ERROR (unique_violation).
 */
extern int64 cdr_record_events(CdrEvent **events, int count, bool all_new);

#endif /* CDR_RECORD_H */
