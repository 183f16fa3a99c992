/*-------------------------------------------------------------------------
 *
 * words.h
 *	  What others wrote, fit to stand in a sentence.
 *
 * Anybody who may publish writes these texts: so each is cut to a length, and
 * has nothing in it that cannot be seen.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WORDS_H
#define CDR_WORDS_H

#include "lib/stringinfo.h"

/*
 * A text as it is if it is one word of ASCII, else in quotes; NULL: what stands
 * for nothing.
 */
extern void
cdr_words_quote(const char *text, const char *nothing, StringInfo out);

/* A name of words that dots, underlines or dashes part: with blanks. */
extern void
cdr_words_name(const char *name, const char *nothing, StringInfo out);

/* A hangup cause: what the list of causes calls it, else its name. */
extern void
cdr_words_cause(const char *cause, const char *nothing, StringInfo out);

#endif /* CDR_WORDS_H */
