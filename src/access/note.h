/*-------------------------------------------------------------------------
 *
 * note.h
 *	  The access record: who read what, why, and from where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_NOTE_H
#define CDR_NOTE_H

#include "store/tables.h"

/* What was read; who reads, the server knows. */
typedef struct CdrAccess
{
	const char *action;	 /* the function that reads */
	const char *subject; /* what was asked for, as JSON */
	const char *tenant;	 /* NULL: of whatever tenant */
	const char *reason;
	Oid			role; /* as whom, where that is not the current user */
	int64		rows;
} CdrAccess;

/*
 * ERROR (22023) unless somebody said why, in at most 1000 bytes; (25006) on a
 * standby, where nothing can be recorded.
 */
extern void cdr_access_check(const char *reason);

/*
 * Records an access, durably, before it returns; ERROR where that fails.  The
 * transaction that is under way may be rolled back, or be read-only: the record
 * stays.
 */
extern void cdr_access_note(const CdrAccess *access);

/* The texts of a record. */
typedef enum CdrNoteText
{
	CDR_NOTE_LOGIN,
	CDR_NOTE_ROLE,
	CDR_NOTE_ADDRESS,
	CDR_NOTE_APPLICATION,
	CDR_NOTE_ACTION,
	CDR_NOTE_SUBJECT,
	CDR_NOTE_TENANT,
	CDR_NOTE_REASON,
	CDR_NOTE_TEXTS
} CdrNoteText;

/*
 * Inserts a record, as the role that writes calls, which is whom SPI is connected
 * as.  A text of NULL, and rows below 0, are NULL.
 */
extern void cdr_access_insert(const CdrTables  *tables,
							  const char *const texts[CDR_NOTE_TEXTS],
							  TimestampTz at, int64 rows);

/* What the process that records runs; for the server. */
extern PGDLLEXPORT void cdr_access_note_main(Datum handle);

#endif /* CDR_NOTE_H */
