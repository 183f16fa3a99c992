/*-------------------------------------------------------------------------
 *
 * override.h
 *	  Settings of the server that a worker does not take from it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_OVERRIDE_H
#define CDR_OVERRIDE_H

/*
 * Sets what a worker's transactions need, whatever the server, the database and
 * the role are set to: before a worker connects to its database, after it, and
 * after each reload.
 */
extern void cdr_override_settings(void);

#endif /* CDR_OVERRIDE_H */
