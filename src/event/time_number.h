/*-------------------------------------------------------------------------
 *
 * time_number.h
 *	  Times as numbers: seconds, milliseconds and the like since 1970.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TIME_NUMBER_H
#define CDR_TIME_NUMBER_H

#include "datatype/timestamp.h"

/*
 * Reads a number, to the end of the text, exactly as base/epoch.h says what its
 * size means: 1768860003, 1768860003250, 1768860003.25, 1.76886000325e9.  What
 * is never set is CDR_NO_TIME.  Returns false, leaving *result alone, for what
 * is no number and for one that means no time.
 */
extern bool cdr_time_number(const char *text, TimestampTz *result);

#endif /* CDR_TIME_NUMBER_H */
