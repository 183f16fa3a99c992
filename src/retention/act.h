/*-------------------------------------------------------------------------
 *
 * act.h
 *	  What is done to records on purpose: by whom, why, and with whose rights.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ACT_H
#define CDR_ACT_H

#include "fmgr.h"

#include "store/rights.h"

/*
 * The argument of an SQL function that says why; ERROR (22023) where it says
 * nothing, or more than 1000 bytes.
 */
extern const char *cdr_act_reason(FunctionCallInfo fcinfo, int argument);

/*
 * Finds the tables, becomes the owner of calls, and connects to SPI; ERROR (42P01)
 * where the tables of retention are missing.  And goes back.
 */
extern void cdr_act_open(CdrTables *tables, CdrRights *rights);
extern void cdr_act_close(const CdrRights *rights);

/*
 * As the owner of calls, calls a function of the extension with the arguments of
 * this one, and two more: as whom the session logged in, and as whom it acts.
 * Returns what that returns.
 */
extern Datum
cdr_act(FunctionCallInfo fcinfo, int reason_argument, const char *function);

#endif /* CDR_ACT_H */
