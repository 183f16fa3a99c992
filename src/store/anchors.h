/*-------------------------------------------------------------------------
 *
 * anchors.h
 *	  The tables of evidence, with anchors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ANCHORS_H
#define CDR_ANCHORS_H

#include "store/tables.h"

/* ERROR (42P01) unless the tables of evidence are there, and ours. */
extern void cdr_require_evidence(const CdrTables *tables);

#endif /* CDR_ANCHORS_H */
