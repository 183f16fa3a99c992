/*-------------------------------------------------------------------------
 *
 * install.h
 *	  Makes the role and the tables, and brings tables up to date.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_INSTALL_H
#define CDR_INSTALL_H

#include "store/tables.h"

/*
 * Adds the columns that the tables lack, as their owner; needs a transaction.
 * Returns how many.  ERROR (42501) if the owner is a superuser.
 */
extern int cdr_update_columns(const CdrTables *tables);

#endif /* CDR_INSTALL_H */
