/*-------------------------------------------------------------------------
 *
 * explain_unread.h
 *	  What nobody read of a message, as it is explained.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EXPLAIN_UNREAD_H
#define CDR_EXPLAIN_UNREAD_H

#include "event/explain_words.h"

/* Notes what mappings looked at in the body, whatever came of it. */
extern void cdr_explain_mapped_places(CdrNotes *notes);

/* Tells of the members of the body that were not read, when all else was told. */
extern void cdr_explain_unread(CdrExplaining *explaining);

#endif /* CDR_EXPLAIN_UNREAD_H */
