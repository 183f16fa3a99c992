/*-------------------------------------------------------------------------
 *
 * erased.h
 *	  Events of calls that were erased, which come late or again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STORE_ERASED_H
#define CDR_STORE_ERASED_H

#include "event/event.h"
#include "store/tables.h"

/*
 * Looks which keys of pseudonyms there are, in the transaction that is about to begin,
 * which has locked calls: so no erasure is under way, and those that were are seen.
 */
extern void cdr_erased_open(const CdrTables *tables);

/* Are there any?  Else nobody was erased whose events may still come. */
extern bool cdr_erased_have_keys;

static inline bool
cdr_erased_are_known(void)
{
	return cdr_erased_have_keys;
}

/*
 * Puts in place of sorted events that are of erased calls what is to be recorded of
 * them, in the current context: under their pseudonyms, without those who took part.
 * Sorts them anew; returns how many are left, for one that is there twice counts
 * once.
 */
extern int cdr_erased_recognise(CdrEvent **events, int count);

#endif /* CDR_STORE_ERASED_H */
