/*-------------------------------------------------------------------------
 *
 * causes.h
 *	  The hangup causes that are known, and what each says of its call.
 *
 * They stand in causes.csv; causes.awk makes the list of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CAUSES_H
#define CDR_CAUSES_H

/* What a cause ends: a call that may be established, or one attempt of many. */
typedef enum CdrEnds
{
	CDR_ENDS_FINAL,
	CDR_ENDS_BRANCH
} CdrEnds;

/* A line of causes.csv; 0 where it has no number. */
typedef struct CdrCause
{
	const char *dialect;
	const char *name;
	int			q850;
	int			sip;
	const char *disposition; /* of a call that nobody answered */
	CdrEnds		ends;
	const char *words; /* the cause as a person would say it */
} CdrCause;

/*
 * Brings a name to the one spelling by which causes are compared: in small
 * letters, with '_' for '-' and blank, without blanks around it, a number without
 * the fraction of a float, and a code of SIP without "sip:".
 * Changes the string; returns where in it the name begins.
 */
extern char *cdr_cause_fold(char *name);

/*
 * The cause of a name, a number of Q.850 or a code of SIP, in any spelling that
 * cdr_cause_fold() takes; NULL: none is given, or it is unknown.  Of a name that
 * several dialects have, the cause of the line that stands first.
 */
extern const CdrCause *cdr_cause_find(const char *name);

/*
 * The disposition of a call that ended with that cause and that nobody
 * answered: it rang out, unless the cause is known and says something else.
 */
extern const char *cdr_cause_disposition(const char *name);

#endif /* CDR_CAUSES_H */
