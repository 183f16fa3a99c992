/*-------------------------------------------------------------------------
 *
 * visible.h
 *	  What can be seen of a text, and digits in any script.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_VISIBLE_H
#define CDR_VISIBLE_H

/*
 * Takes out of a text, in place, what cannot be seen: controls, direction
 * marks, soft hyphens, joiners, byte order marks and the like.
 */
extern void cdr_drop_invisible(char *text);

/*
 * Writes a telephone number, in place, as it is dialled: without separators
 * (blanks, dashes, dots, brackets), digits of any script as ASCII.  What is no
 * number then is of no use.
 */
extern void cdr_fold_number(char *number);

/* The length of the blank that a text begins with, or ends with; 0: none. */
extern int cdr_blank_at_start(const char *start, const char *end);
extern int cdr_blank_at_end(const char *start, const char *end);

/* Leaves out what a text begins and ends with that is blank or not seen. */
extern void cdr_trim(const char **start, const char **end);

#endif /* CDR_VISIBLE_H */
