/*-------------------------------------------------------------------------
 *
 * remap_write.h
 *	  Moves rows of the log, as planned.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REMAP_WRITE_H
#define CDR_REMAP_WRITE_H

#include "store/remap_plan.h"
#include "store/statement.h"

/* For writer.c. */
extern CdrStatement *const cdr_remap_statements[];

/* Does what a plan says, through an open writer; ERROR (40001) if a row is gone
 * meanwhile. */
extern void cdr_remap_write(CdrRemapPlan *plan);

/* The calls that lose or gain events by a plan, or events that say other things
 * now: texts, for cdr_choice_of_ids(); *count of them. */
extern Datum *cdr_remap_calls(const CdrRemapPlan *plan, int *count);

#endif /* CDR_REMAP_WRITE_H */
