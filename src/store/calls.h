/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  The table calls: one row for each call, merged from its events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CALLS_H
#define CDR_CALLS_H

#include "fmgr.h"

#include "call/merge.h"
#include "event/event.h"
#include "store/call_spans.h"
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_calls_statements[];

/* To be called before: with the version of the extension, which may be another than
 * that of the library. */
extern void cdr_calls_open(const char *version);

/*
 * Merges new events, sorted by call, into the rows of their calls.  With mostly_new,
 * calls that have begun among them and were not seen lately are thought to have no
 * row; if one has, that is an ERROR (unique_violation).
 *
 * merged, if not NULL, are their rows then, but for those that were found to have none
 * before.
 */
extern void cdr_calls_merge(CdrEvent **events, int count, bool mostly_new,
							CdrCallSpans *merged);

/* The call that a record is, which may be any; and the other way round, for a function
 * that returns the columns of calls. */
extern CdrCall cdr_call_of_record(Datum record);
extern Datum   cdr_call_record(FunctionCallInfo fcinfo, const CdrCall *call);

#endif /* CDR_CALLS_H */
