/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  Why an event is what it is, row by row, for people.
 *
 * Values are those of the event that was read; where they come from, and what is
 * not a value, is what its readers noted (event/notes.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EXPLAIN_H
#define CDR_EXPLAIN_H

#include "event/event.h"
#include "event/notes.h"

/* So many members that nobody read are told; the rest is counted. */
#define CDR_EXPLAIN_UNREAD_MAX 100

/* One thing that is told.  Strings may be NULL, and are the receiver's to copy. */
typedef struct CdrExplained
{
	const char *part;	/* "message", "event", a register, "not read" */
	const char *column; /* of the log or of calls, or a word of ours */
	const char *value;
	TimestampTz time; /* a value that is a time; CDR_NO_TIME: it is none */
	const char *source;
	const char *note;
} CdrExplained;

typedef struct CdrExplainer
{
	void (*take)(void *state, const CdrExplained *row);
	void *state;
} CdrExplainer;

/*
 * Has what is read with these options noted down.  A mapping that is only tried
 * (options->mappings->by) may not be one that would be asked for the message:
 * cdr_explain() tells that, with is_trial.
 */
extern void cdr_explain_begin(CdrNotes *notes, CdrEventOptions *options);

/* Tells of an event that was read with them, or of why it is none. */
extern void cdr_explain(const CdrEvent *event, CdrNotes *notes, bool is_trial,
						const CdrExplainer *explainer);

#endif /* CDR_EXPLAIN_H */
