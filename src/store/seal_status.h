/*-------------------------------------------------------------------------
 *
 * seal_status.h
 *	  What waits for a seal, and for an anchor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SEAL_STATUS_H
#define CDR_SEAL_STATUS_H

#include "datatype/timestamp.h"

#include "store/tables.h"

typedef struct CdrSealStatus
{
	bool can_seal; /* the tables of evidence are there; else nothing else is */

	int64 waiting; /* events; -1: not counted */
	TimestampTz
		waiting_since; /* when the oldest was recorded; 0: none waits */

	int32		log; /* of the last checkpoint; 0: there is none */
	int64		size;
	TimestampTz taken_at;

	bool		has_anchor;
	int32		anchor_log; /* of the one that covers most */
	int64		anchor_size;
	TimestampTz anchored_at;
	TimestampTz unanchored_since; /* the oldest checkpoint since; 0: none */
} CdrSealStatus;

/*
 * As the role that writes; SPI is connected.  Counts what waits, or looks at the
 * first thousand rows only.
 */
extern void cdr_seal_status_read(const CdrTables *tables, bool count,
								 CdrSealStatus *status);

#endif /* CDR_SEAL_STATUS_H */
