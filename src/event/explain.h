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

#include "event/explain_words.h"

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
