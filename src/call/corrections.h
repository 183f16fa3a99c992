/*-------------------------------------------------------------------------
 *
 * corrections.h
 *	  What people have said of a call: for each column the latest correction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CORRECTIONS_H
#define CDR_CORRECTIONS_H

#include "event/event.h"

/* The latest correction of a column; of two at one time, that of the greater id. */
typedef struct CdrCorrection
{
	CdrSaid		said; /* CDR_SAID_NOTHING: none names it, the rest is empty */
	TimestampTz time; /* when it was made */
	pg_uuid_t	id;	  /* of the event */
} CdrCorrection;

/* Not changed any more once a call has them: so copies of the call share them. */
typedef struct CdrCorrections
{
	CdrCorrection columns[CDR_NCORRECTABLE];
} CdrCorrections;

/* What an event says; NULL: nothing.  Strings stay the event's. */
extern const CdrCorrections *cdr_corrections_of(const CdrEvent *event);

/*
 * The later of two, for each column; either may be NULL.  Commutative, associative
 * and idempotent.  One of the two, or allocated in the current context.
 */
extern const CdrCorrections *
cdr_corrections_join(const CdrCorrections *a, const CdrCorrections *b);

/* A copy in the current context, with its strings. */
extern const CdrCorrections *
cdr_corrections_copy(const CdrCorrections *corrections);

/* What is said of a column; NULL: what its events say counts. */
extern const CdrSaid *
cdr_corrections_said(const CdrCorrections *corrections, CdrCorrectable column);

#endif /* CDR_CORRECTIONS_H */
