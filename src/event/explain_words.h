/*-------------------------------------------------------------------------
 *
 * explain_words.h
 *	  The words in which an event is explained, and how rows are told.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EXPLAIN_WORDS_H
#define CDR_EXPLAIN_WORDS_H

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

/* What is told of one event. */
typedef struct CdrExplaining
{
	const CdrEvent	   *event;
	CdrNotes		   *notes;
	const CdrExplainer *explainer;
	int64				unread; /* members that nobody read, so far */
} CdrExplaining;

/* Tells a row: one whose value is text, and one of column "time". */
extern void
cdr_tell(const CdrExplaining *explaining, const char *part, const char *column,
		 const char *value, const char *source, const char *note);
extern void
cdr_tell_time(const CdrExplaining *explaining, const char *part,
			  TimestampTz time, const char *source, const char *note);

/* A place in a body as a mapping writes it: a key at the top, else a pointer. */
extern const char *cdr_written_place(const char *place);

/* The beginning of what a body says, in quotes; the same with a note behind it. */
extern const char *cdr_quoted(const char *said);
extern const char *cdr_of_said(const char *said, const char *note);

/* Both notes; either may be NULL. */
extern const char *cdr_both_notes(const char *one, const char *other);

#endif /* CDR_EXPLAIN_WORDS_H */
