/*-------------------------------------------------------------------------
 *
 * note.h
 *	  The access record: who read what, why, and from where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_NOTE_H
#define CDR_NOTE_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

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

/* Records that one transaction adds at most. */
#define CDR_NOTES_AT_ONCE 128

/* What the log of seals is to say of the records of a transaction. */
typedef struct CdrNoteEntry
{
	bool		is_wanted; /* evidence is on, and there is a place for it */
	pg_uuid_t	id;
	TimestampTz first;
	TimestampTz last;
	int			nleaves;
	Datum		leaves[CDR_NOTES_AT_ONCE];
} CdrNoteEntry;

/*
 * Inserts records, as the role that writes calls, which is whom SPI is connected
 * as: begins, adds each, and ends.  A text of NULL, and rows below 0, are NULL.
 */
extern void cdr_access_begin(const CdrTables *tables, CdrNoteEntry *entry);
extern void cdr_access_insert(const CdrTables *tables, CdrNoteEntry *entry,
							  const char *const texts[CDR_NOTE_TEXTS],
							  TimestampTz at, int64 rows);
extern void cdr_access_end(const CdrTables *tables, CdrNoteEntry *entry);

/* What the process that records runs; for the server. */
extern PGDLLEXPORT void cdr_access_note_main(Datum handle);

#endif /* CDR_NOTE_H */
