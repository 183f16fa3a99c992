/*-------------------------------------------------------------------------
 *
 * hours.h
 *	  The hour that the clocks of a zone show at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REPORT_HOURS_H
#define CDR_REPORT_HOURS_H

#include "datatype/timestamp.h"

typedef struct CdrHours CdrHours;

/* Of a zone that is none, the first hour is an ERROR (22023). */
extern CdrHours *cdr_hours_make(MemoryContext context, const text *zone);
extern bool		 cdr_hours_are_of(const CdrHours *hours, const text *zone);

/* When it began, by these clocks. */
extern Timestamp cdr_hours_find(CdrHours *hours, TimestampTz at);

#endif /* CDR_REPORT_HOURS_H */
