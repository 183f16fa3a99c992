/*-------------------------------------------------------------------------
 *
 * interval.h
 *	  The day, week or month of UTC that one partition covers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_INTERVAL_H
#define CDR_INTERVAL_H

#include "store/bounds.h"

/*
 * The interval of cdr_service.partition_interval that a time lies in; a week
 * begins on Monday.
 */
extern CdrStretch cdr_interval_around(TimestampTz time);

/* Its length in days, at least. */
extern int cdr_interval_days(void);

#endif /* CDR_INTERVAL_H */
