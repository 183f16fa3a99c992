/*-------------------------------------------------------------------------
 *
 * call_events.h
 *	  The table call_events: the log, one row for each distinct event.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CALL_EVENTS_H
#define CDR_CALL_EVENTS_H

#include "event/event.h"
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_call_events_statements[];

/*
 * Drops events that have no time of their own and are recorded already from
 * the array; returns how many events stay.  Locks what stands for their keys
 * first, so that whoever records the same event at this moment is waited for,
 * and looks with a snapshot taken after that.
 */
extern int cdr_call_events_drop_known(CdrEvent **events, int count);

/*
 * Inserts sorted events of which none is thought to be recorded; one that is,
 * is an ERROR (unique_violation).
 */
extern void cdr_call_events_insert_new(CdrEvent **events, int count);

/*
 * Inserts sorted events of which some may be recorded: leaves in the array
 * those that were not; returns how many.
 */
extern int cdr_call_events_insert(CdrEvent **events, int count);

#endif /* CDR_CALL_EVENTS_H */
