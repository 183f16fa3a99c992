/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *	  What a worker does beside batches, in transactions of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_UPKEEP_H
#define CDR_UPKEEP_H

#include "base/reason.h"
#include "store/patience.h"

/*
 * Begins a transaction with a snapshot, whose time is bounded; the server's views
 * show what it is for.
 */
extern void cdr_upkeep_begin(const char *activity, CdrPatience patience);

/* Commits it. */
extern void cdr_upkeep_end(void);

/* Is an error to be logged? */
typedef bool (*CdrUpkeepTells)(const ErrorData *error, void *argument);

/*
 * After an error between these two: takes back what was done, and says why in
 * reason: "could not" do what. It is logged, unless tells says no; NULL: always.
 * Memory of the reason is the buffer's own; context becomes the current one.
 */
extern void cdr_upkeep_failed(const char *what, MemoryContext context,
							  CdrUpkeepTells tells, void *argument,
							  CdrReasonBuffer *reason);

#endif /* CDR_UPKEEP_H */
