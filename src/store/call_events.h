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
#include "store/call_spans.h"
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_call_events_statements[];

/* The table, in the transaction that is about to begin with it. */
extern void cdr_call_events_open(Oid table);

/*
 * Drops events from the array that are recorded already and may be thought so:
 * they came lately, or the broker says that it has delivered them before, or
 * they have no time of their own and their key is there.  Returns how many
 * stay.  Unless mostly_new, all stay, because they are inserted with ON CONFLICT
 * in any case, but for those that were recorded under another key: by a mapping
 * that was changed meanwhile, or with another time; spans is then what rows of calls
 * said when these were looked for (resent.h).  may_be_known: some are thought to be
 * recorded.
 */
extern int
cdr_call_events_drop_known(CdrEvent **events, int count, bool mostly_new,
						   CdrCallSpans *spans, bool *may_be_known);

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
