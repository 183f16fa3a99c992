/*-------------------------------------------------------------------------
 *
 * epoch.h
 *	  Times as numbers that count from a date: which unit, by their size.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EPOCH_H
#define CDR_EPOCH_H

#include "base/message.h"

/* What the numbers from first to last count. */
typedef struct CdrEpochUnit
{
	uint64 first;
	uint64 last;
	int64  power; /* of them are a second */
	int64  zero;  /* where they count from, in seconds since 1970 */
} CdrEpochUnit;

/*
 * The unit of a number, which is NULL where it cannot be told, and the moment
 * that whole seconds since 1970 and a fraction make, to the microsecond.
 */
extern const CdrEpochUnit *cdr_epoch_unit(uint64 number);
extern TimestampTz cdr_epoch_moment(int64 seconds, double value, double scale);

/*
 * The time that the AMQP property says: seconds to the end of the year 9999,
 * as AMQP has it, else by its size.  CDR_NO_TIME: it says none, or one that
 * cannot be told.
 */
extern TimestampTz cdr_epoch_of_property(uint64 number);

#endif /* CDR_EPOCH_H */
