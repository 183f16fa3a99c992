/*-------------------------------------------------------------------------
 *
 * retired.h
 *	  Events of a time that the log does not hold any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_RETIRED_H
#define CDR_RETIRED_H

#include "event/event.h"
#include "store/tables.h"

/*
 * Has the log no partition for a time, but one for a later time?  Then what it held
 * of that time was retired.
 */
extern bool cdr_retired_time(Oid log, TimestampTz time);

/* For writer.c: looks where the partitions of the log begin. */
extern void cdr_retired_look(const CdrTables *tables);

/*
 * ERROR (22008) if one of some events, which are new to the log, in it already,
 * not yet merged, and sorted by call, may be a repetition of one that was retired
 * with its partition; through an open writer.  Costs a comparison for each event
 * of the last two partitions.
 */
extern void cdr_retired_refuse(CdrEvent **events, int count);

#endif /* CDR_RETIRED_H */
