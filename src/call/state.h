/*-------------------------------------------------------------------------
 *
 * state.h
 *	  The column merge_state: what the registers hold beyond the other columns.
 *
 * Its form, which is one for one state and row:
 *
 *	version		a byte: 1, or 2 if functions of this extension made some of the
 *				events
 *	kinds		in version 2, a number: 1 if there are no events from outside,
 *				2 if there are corrections
 *	registers	a number: 1 << CdrRegister for each that holds a fact
 *	and for each of these, in their order:
 *	flags		a byte: its rank, and the STATE_... of state.c
 *	time		a number: microseconds since first_event_time
 *	id			16 bytes
 *	texts		each a number: 0 none, 1 that of its column, else 2 + its length,
 *				and its bytes
 *	contact		a number: 0 none, 1 that of its column, 2 and another number
 *	status		a number: 0 none, 1 that of its column, else 2 + the SIP status
 *
 * and where there are corrections
 *
 *	columns		a number: 1 << CdrCorrectable for each that is corrected
 *	and for each of these, in their order:
 *	kind		a byte: its CdrSaidKind
 *	time		a number: microseconds since first_event_time
 *	id			16 bytes
 *	value		if it is one: a time or a text as above, or a number
 *
 * each where the register keeps it, and where the flags do not say that it is
 * that of a column or of another register.  Numbers are base 128, the lowest 7
 * bits first; what may be negative is in zigzag.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STATE_H
#define CDR_STATE_H

#include "lib/stringinfo.h"

#include "call/merge.h"
#include "call/row.h"

/* Appends the merge_state of a call, whose other columns are in the row. */
extern void
cdr_state_write(const CdrCall *call, const CdrRow *row, StringInfo out);

/*
 * Fills the registers of a call out of a row.  Returns NULL, or why merge_state
 * cannot be read.  A time that no event can have leaves its register empty.
 */
extern const char *cdr_state_read(const CdrRow *row, CdrCall *call);

#endif /* CDR_STATE_H */
