/*-------------------------------------------------------------------------
 *
 * horizon.h
 *	  What was retired on purpose, row by row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_HORIZON_H
#define CDR_HORIZON_H

#include "datatype/timestamp.h"

#include "store/tables.h"

/*
 * In SPI, as a role that may read cdr_retired (else it says no): were events of a
 * stretch of time retired, of that tenant?
 */
extern bool cdr_horizon_of_events(const CdrTables *tables, const char *tenant,
								  TimestampTz first, TimestampTz last);

/* Were calls of that tenant retired that were over at that time, or later?  NULL:
 * of whatever tenant. */
extern bool cdr_horizon_of_calls(const CdrTables *tables, const char *tenant,
								 TimestampTz over);

#endif /* CDR_HORIZON_H */
