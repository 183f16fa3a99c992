/*-------------------------------------------------------------------------
 *
 * remap_plan.h
 *	  What becomes of some events of the log that are read anew.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REMAP_PLAN_H
#define CDR_REMAP_PLAN_H

#include "store/remap_item.h"
#include "store/tables.h"

/* Events that are planned for at a time, and with those that stand in their way. */
#define CDR_REMAP_SLICE	   1000
#define CDR_REMAP_PLAN_MAX 20000

typedef struct CdrRemapPlan
{
	const CdrTables *tables;
	const char *exchange; /* that the log does not know; NULL: neither do we */
	CdrRemapItem *items;
	int			  count;
	int			  size;
	MemoryContext scratch;
} CdrRemapPlan;

/*
 * Plans for rows of these keys, as of now; in SPI, which is connected.  Keys
 * of which there is no row any more are passed over.  What the plan says is in the
 * current context; the items are sorted by where they go.
 *
 * ERROR (54000) if too many others stand in their way.
 */
extern CdrRemapPlan *
cdr_remap_plan(const CdrTables *tables, const char *exchange,
			   const CdrLogKey *keys, int count);

#endif /* CDR_REMAP_PLAN_H */
