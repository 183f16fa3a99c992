/*-------------------------------------------------------------------------
 *
 * look.h
 *	  A look at the tables, for whoever asks whether all is well.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LOOK_H
#define CDR_LOOK_H

#include "datatype/timestamp.h"

#include "store/seal_status.h"
#include "store/tables.h"

/* Dead letters are counted up to this. */
#define CDR_LETTERS_COUNTED 1000

/* What was seen. */
typedef struct CdrLook
{
	CdrTables		tables;
	CdrTablesState	state;
	CdrReasonBuffer why; /* of the state, or of an error */
	bool  covered;		 /* there is a partition for events of this moment, */
	bool  ahead;		 /* for the interval that follows, */
	bool  fallback;		 /* and for everything else */
	int64 letters;
	char *latest; /* reason of a letter, palloc'd; NULL: none */
	CdrSealStatus seals;
} CdrLook;

/*
 * Looks whether the tables fit, somebody may write them, and partitions are
 * there; and, if they fit, for dead letters.  Within a subtransaction, as the
 * role that writes, and without waiting for long: false, with the reason, after
 * an error (55P03: somebody has locked them).
 */
extern bool cdr_look_for_tables(CdrLook *look);
extern bool cdr_look_for_letters(CdrLook *look);
extern bool cdr_look_for_seals(CdrLook *look);

/* The same for any other look: in a subtransaction, without waiting for long. */
extern bool
cdr_look_at(void (*at)(void *), void *argument, CdrReasonBuffer *why);

#endif /* CDR_LOOK_H */
