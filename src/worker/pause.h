/*-------------------------------------------------------------------------
 *
 * pause.h
 *	  Whether the workers are to do nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PAUSE_H
#define CDR_PAUSE_H

/* Is there a pause, by the setting or by cdr_pause()?  For a process of workers. */
extern bool cdr_is_paused(void);

#endif /* CDR_PAUSE_H */
