/*-------------------------------------------------------------------------
 *
 * constraints.h
 *	  When deferrable constraints are checked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CONSTRAINTS_H
#define CDR_CONSTRAINTS_H

#include "commands/trigger.h"
#include "nodes/makefuncs.h"

/*
 * Has the deferrable constraints of this transaction checked by the statement
 * that breaks them: so the event is known that does, what they run has the
 * statement's rights and not those of whoever commits, and no table has checks
 * pending that is to be altered.
 */
static inline void
cdr_check_constraints_at_once(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->deferred = false;
	AfterTriggerSetState(statement);
}

#endif /* CDR_CONSTRAINTS_H */
