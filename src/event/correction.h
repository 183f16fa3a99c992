/*-------------------------------------------------------------------------
 *
 * correction.h
 *	  What a correction says of the columns of its call, and when a call was
 *	  closed: the events that functions of this extension make.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CORRECTION_H
#define CDR_CORRECTION_H

#include "datatype/timestamp.h"

/* Their types. */
#define CDR_CORRECTED_TYPE "cdr.call.corrected"
#define CDR_WITHDRAWN_TYPE "cdr.call.correction_withdrawn"
#define CDR_CLOSED_TYPE	   "cdr.call.closed"

/* The columns of calls that can be corrected: what events say, nothing derived. */
typedef enum CdrCorrectable
{
	CDR_CORRECT_START_TIME,
	CDR_CORRECT_RING_TIME,
	CDR_CORRECT_ANSWER_TIME,
	CDR_CORRECT_END_TIME,
	CDR_CORRECT_CALLER,
	CDR_CORRECT_CALLEE,
	CDR_CORRECT_DIRECTION,
	CDR_CORRECT_TRUNK,
	CDR_CORRECT_CAUSE,
	CDR_CORRECT_SOURCE,
	CDR_CORRECT_SIP_STATUS,
	CDR_CORRECT_TENANT,
	CDR_CORRECT_USER,
	CDR_CORRECT_CONTACT,
	CDR_CORRECT_RECORDING
} CdrCorrectable;
#define CDR_NCORRECTABLE (CDR_CORRECT_RECORDING + 1)

typedef enum CdrCorrectableType
{
	CDR_CORRECT_AS_TIME,
	CDR_CORRECT_AS_TEXT,
	CDR_CORRECT_AS_NUMBER
} CdrCorrectableType;

typedef struct CdrCorrectableColumn
{
	const char		  *name;
	CdrCorrectableType type;
} CdrCorrectableColumn;

extern const CdrCorrectableColumn cdr_correctable[CDR_NCORRECTABLE];

/* The column of a name; -1: there is none that can be corrected. */
extern int cdr_correctable_find(const char *name);

/* What is said of a column. */
typedef enum CdrSaidKind
{
	CDR_SAID_NOTHING,	/* it is not named */
	CDR_SAID_BY_EVENTS, /* it is given back to the events */
	CDR_SAID_NONE,		/* there was none */
	CDR_SAID_VALUE
} CdrSaidKind;

typedef struct CdrSaid
{
	CdrSaidKind kind;
	TimestampTz time; /* one of these, by the type of the column */
	int64		number;
	const char *text;
} CdrSaid;

/* SIP statuses of final responses. */
#define CDR_SIP_STATUS_FIRST 200
#define CDR_SIP_STATUS_LAST	 699

/*
 * Reads the body of such an event: what it says of each column, into an array
 * in the current context, NULL if it says nothing; and when the call ended that
 * it closes, or CDR_NO_TIME.  A value that does not fit its column says nothing.
 */
extern const CdrSaid *
cdr_correction_read(const char *body, size_t length, TimestampTz *closed_at);

#endif /* CDR_CORRECTION_H */
