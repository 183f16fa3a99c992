/*-------------------------------------------------------------------------
 *
 * adopt.h
 *	  Takes tables that are there already for the extension's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ADOPT_H
#define CDR_ADOPT_H

#include "store/tables.h"

/*
 * Has the extension depend on each of its tables that is there and that it
 * does not depend on yet, and on no other.  ERROR (55000, 42501) for one that cannot be ours, by
 * its shape or its owner.  creating: the extension is being created, so that it
 * has never depended on any.  Needs all tables locked, so that nobody drops
 * them meanwhile.
 */
extern void cdr_adopt(const CdrTables *tables, bool creating);

#endif /* CDR_ADOPT_H */
