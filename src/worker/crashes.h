/*-------------------------------------------------------------------------
 *
 * crashes.h
 *	  How often a worker has crashed in a row, on disk.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CRASHES_H
#define CDR_CRASHES_H

#include "datatype/timestamp.h"

#include "base/clock.h"

/*
 * Reads what is known of the worker that this process is, and counts the end
 * of the process before it if that was a crash.  Returns how many crashes in a
 * row there were; not_before is when the next start is due (0: now).
 */
extern int cdr_crashes_begin(int worker, CdrMoment *not_before);

/* When the first of those crashes was found out; 0: there was none. */
extern TimestampTz cdr_crashes_since(void);

/* From here until an orderly exit, an end is a crash. */
extern void cdr_crashes_set_running(void);

/* Forgets the crashes if cdr_resume() asked for that; has it? */
extern bool cdr_crashes_heed_resume(void);

/* Forgets them once the worker has been running for long enough. */
extern void cdr_crashes_heed_health(void);

/* Forgets those of all workers; for cdr_resume(), before the reload. */
extern void cdr_crashes_forget_all(void);

#endif /* CDR_CRASHES_H */
