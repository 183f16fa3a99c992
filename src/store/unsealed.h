/*-------------------------------------------------------------------------
 *
 * unsealed.h
 *	  The table cdr_unsealed: leaves of events that wait for their seal.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_UNSEALED_H
#define CDR_UNSEALED_H

#include "store/recording.h"
#include "store/statement.h"
#include "store/tables.h"

/* For writer.c. */
extern CdrStatement *const cdr_unsealed_statements[];

/* Looks whether leaves are wanted, in the transaction that is about to begin. */
extern void cdr_unsealed_open(const CdrTables *tables);

/*
 * Notes in an event that is about to be inserted when it is recorded, and its leaf if
 * that is wanted, of what its row is going to hold; of one that is erased, the digest
 * of its content.
 */
extern void cdr_unsealed_mark(CdrEvent *event, const CdrMark *mark,
							  const char *headers, const char *properties);

/* Puts down the leaves of events that were inserted. */
extern void cdr_unsealed_add(CdrEvent **events, int count);

/* Is one of the tables of evidence there, and ours? */
extern bool
cdr_evidence_table_is_ours(const CdrTables *tables, const char *name);

#endif /* CDR_UNSEALED_H */
