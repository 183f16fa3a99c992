/*-------------------------------------------------------------------------
 *
 * remap_same.h
 *	  Which events are one, when they are read anew.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REMAP_SAME_H
#define CDR_REMAP_SAME_H

#include "store/remap_item.h"

/*
 * Adds to keys, of which there are *count, those of the rows that are now where one
 * of some items goes to, but for the time; in SPI, which is connected.  The quoted
 * schema of the log is given.
 */
extern CdrLogKey *
cdr_remap_add_other_times(const char *schema, const CdrRemapItem *items,
						  int nitems, CdrLogKey *keys, int *count);

/* Of several items that come to be one event, all but the first repeat it.  Sorts
 * them by where they go. */
extern void cdr_remap_find_repetitions(CdrRemapItem *items, int count);

#endif /* CDR_REMAP_SAME_H */
