/*-------------------------------------------------------------------------
 *
 * writer.h
 *	  A writer of the tables: their statements, run with the rights that they need.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_WRITER_H
#define CDR_WRITER_H

#include "store/rights.h"
#include "store/tables.h"

/*
 * Becomes the role that writes, connects to SPI and makes the statements known
 * to it; and goes back.  A (sub)transaction that is aborted goes back by
 * itself.
 */
extern void cdr_writer_open(const CdrTables *tables, CdrRights *rights);
extern void cdr_writer_close(const CdrRights *rights);

/* Has all plans made anew: after an error, one may hold on to what is gone. */
extern void cdr_writer_forget_plans(void);

#endif /* CDR_WRITER_H */
