/*-------------------------------------------------------------------------
 *
 * note.c
 *	  The access record: who read what, why, and from where.
 *
 * Whoever reads can roll back, break the connection, or have the statement
 * fail, after the first rows are there: a record in the same transaction would go
 * with it.  So a process of its own records, and commits, before the reader gets
 * a row.  It writes as the role that writes calls, whatever hangs on the table.
 *
 * A reader who holds a lock on the record, and so waits for itself, is no
 * deadlock that the server knows of: hence a limit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access/note.h"
#include "base/fault.h"
#include "base/guc.h"
#include "store/rights.h"
#include "store/unsealed.h"

#define REASON_MAX	 1000 /* bytes */
#define LOCK_TIMEOUT "10s"

/* Its texts come first, in the order of CdrNoteText. */
#define INSERT_ACCESS                                             \
	"INSERT INTO %s.cdr_access_log (login, role, client_address," \
	" application, action, subject, tenant_id, reason, at, rows," \
	" key, entry_id) VALUES"                                      \
	" ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11, $12)"

/* The same, for the leaf of that row: who may only insert cannot read it. */
#define FIND_LEAF                                            \
	"SELECT %s.cdr_access_leaf($11, $9, $1, $2, $3, $4, $5," \
	" $6::jsonb, $7, $10, $8) WHERE $12 IS NOT NULL"

#define PUT_ENTRY "SELECT %s.cdr_put_access_entry($1, $2, $3, $4)"

/* Values of an INSERT: the texts, at, rows, key, entry_id. */
#define NOTE_VALUES (CDR_NOTE_TEXTS + 4)

/* A record on its way to the process that records it, and what that says. */
typedef struct Note
{
	Oid			database;
	TimestampTz at;
	int64		rows;
	bool		is_recorded;
	int			sqlerrcode; /* if it is not; 0: the process did not say why */
	char		message[256];
	bool		is_null[CDR_NOTE_TEXTS];
	char		texts[FLEXIBLE_ARRAY_MEMBER]; /* each with its NUL */
} Note;

void
cdr_access_check(const char *reason)
{
	const char *rest = reason;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot record who reads calls during recovery"),
				 errhint("Read them on the primary server.")));
	while (rest != NULL && isspace((unsigned char) *rest))
		rest++;
	if (rest == NULL || *rest == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a reason is needed to read calls"),
						errhint("It is kept in cdr_access_log.")));
	if (strlen(reason) > REASON_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the reason is longer than %d bytes", REASON_MAX)));
}

/* ------------------------------------------------------------------------
 * For whoever reads
 * ------------------------------------------------------------------------
 */

/* From where the session is connected; NULL: a socket of the machine. */
static const char *
client_address(void)
{
	MemoryContext context = CurrentMemoryContext;
	char		 *address;

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute("SELECT pg_catalog.host(pg_catalog.inet_client_addr())",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "the address of the client is not known");
	address = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (address != NULL)
		address = MemoryContextStrdup(context, address);
	SPI_finish();
	return address;
}

static dsm_segment *
write_note(const CdrAccess *access)
{
	const char *texts[CDR_NOTE_TEXTS] = {
		[CDR_NOTE_LOGIN] = GetUserNameFromId(GetSessionUserId(), false),
		[CDR_NOTE_ROLE] = GetUserNameFromId(access->role, false),
		[CDR_NOTE_ADDRESS] = client_address(),
		[CDR_NOTE_APPLICATION] = application_name,
		[CDR_NOTE_ACTION] = access->action,
		[CDR_NOTE_SUBJECT] = access->subject,
		[CDR_NOTE_TENANT] = access->tenant,
		[CDR_NOTE_REASON] = access->reason};
	Size		 size = offsetof(Note, texts);
	dsm_segment *segment;
	Note		*note;
	char		*at;

	for (int i = 0; i < CDR_NOTE_TEXTS; i++)
		size += texts[i] != NULL ? strlen(texts[i]) + 1 : 1;
	segment = dsm_create(size, 0);
	note = dsm_segment_address(segment);
	memset(note, 0, size);
	note->database = MyDatabaseId;
	note->at = GetCurrentTimestamp();
	note->rows = access->rows;
	at = note->texts;
	for (int i = 0; i < CDR_NOTE_TEXTS; i++)
	{
		note->is_null[i] = texts[i] == NULL;
		strcpy(at, texts[i] != NULL ? texts[i] : "");
		at += strlen(at) + 1;
	}
	return segment;
}

/* Starts the process, and waits for its end. */
static void
have_note_recorded(dsm_segment *segment)
{
	BackgroundWorker		worker = {0};
	BackgroundWorkerHandle *handle;

	snprintf(worker.bgw_name, BGW_MAXLEN, "cdr_service access record");
	snprintf(worker.bgw_type, BGW_MAXLEN, "cdr_service access record");
	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name),
			 "cdr_service");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "cdr_access_note_main");
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("no process is free to record who reads calls"),
						errhint("Try again, or raise max_worker_processes.")));
	PG_TRY();
	{
		(void) WaitForBackgroundWorkerShutdown(handle);
	}
	PG_CATCH();
	{
		TerminateBackgroundWorker(handle);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
refuse_unrecorded(const Note *note)
{
	ereport(ERROR,
			(errcode(note->sqlerrcode != 0 ? note->sqlerrcode
										   : ERRCODE_INTERNAL_ERROR),
			 errmsg("cannot record who reads calls, so nothing is read"),
			 note->sqlerrcode != 0
				 ? errdetail("The record fails: %s", note->message)
				 : errdetail("The server's log says why."),
			 note->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE
				 ? errhint("The role that writes calls needs INSERT on "
						   "cdr_access_log.")
				 : 0));
}

void
cdr_access_note(const CdrAccess *access)
{
	dsm_segment *segment = write_note(access);
	Note		*note = dsm_segment_address(segment);

	have_note_recorded(segment);
	if (!note->is_recorded)
		refuse_unrecorded(note);
	dsm_detach(segment);
}

/* ------------------------------------------------------------------------
 * In the process that records
 * ------------------------------------------------------------------------
 */

static void
override_setting(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

static void
random_id(pg_uuid_t *id)
{
	if (!pg_strong_random(id->data, UUID_LEN))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate a random number")));
}

void
cdr_access_begin(const CdrTables *tables, CdrNoteEntry *entry)
{
	memset(entry, 0, sizeof(CdrNoteEntry));
	entry->is_wanted =
		cdr_evidence && cdr_evidence_table_is_ours(tables, "cdr_unlogged");
	if (entry->is_wanted)
		random_id(&entry->id);
}

/* Adds the leaf of a row that was inserted, by the same values. */
static void
add_leaf(const CdrTables *tables, CdrNoteEntry *entry, Oid *types,
		 Datum *values, const char *nulls, TimestampTz at)
{
	bool isnull;

	if (SPI_execute_with_args(psprintf(FIND_LEAF, tables->quoted), NOTE_VALUES,
							  types, values, nulls, true,
							  1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "a record has no leaf");
	Assert(entry->nleaves < CDR_NOTES_AT_ONCE);
	entry->leaves[entry->nleaves++] = SPI_getbinval(
		SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	entry->first = entry->nleaves == 1 ? at : Min(entry->first, at);
	entry->last = Max(entry->last, at);
}

void
cdr_access_insert(const CdrTables *tables, CdrNoteEntry *entry,
				  const char *const texts[CDR_NOTE_TEXTS], TimestampTz at,
				  int64 rows)
{
	Oid		  types[NOTE_VALUES];
	Datum	  values[NOTE_VALUES];
	char	  nulls[NOTE_VALUES + 1];
	pg_uuid_t key;
	int		  n = CDR_NOTE_TEXTS;

	memset(nulls, ' ', sizeof(nulls));
	nulls[NOTE_VALUES] = '\0';
	for (int i = 0; i < CDR_NOTE_TEXTS; i++)
	{
		types[i] = TEXTOID;
		values[i] = texts[i] == NULL ? 0 : CStringGetTextDatum(texts[i]);
		nulls[i] = texts[i] == NULL ? 'n' : ' ';
	}
	types[n] = TIMESTAMPTZOID;
	values[n++] = TimestampTzGetDatum(at);
	types[n] = INT8OID;
	nulls[n] = rows < 0 ? 'n' : ' ';
	values[n++] = Int64GetDatum(rows);
	random_id(&key);
	types[n] = types[n + 1] = UUIDOID;
	nulls[n] = nulls[n + 1] = entry->is_wanted ? ' ' : 'n';
	values[n] = UUIDPGetDatum(&key);
	values[n + 1] = UUIDPGetDatum(&entry->id);
	if (SPI_execute_with_args(psprintf(INSERT_ACCESS, tables->quoted),
							  NOTE_VALUES, types, values, nulls, false,
							  0) != SPI_OK_INSERT ||
		SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the row is not inserted")));
	if (entry->is_wanted)
		add_leaf(tables, entry, types, values, nulls, at);
}

void
cdr_access_end(const CdrTables *tables, CdrNoteEntry *entry)
{
	Oid	  types[4] = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BYTEAARRAYOID};
	Datum values[4] = {UUIDPGetDatum(&entry->id),
					   TimestampTzGetDatum(entry->first),
					   TimestampTzGetDatum(entry->last)};

	if (entry->nleaves > 0)
	{
		values[3] = PointerGetDatum(construct_array(
			entry->leaves, entry->nleaves, BYTEAOID, -1, false, TYPALIGN_INT));
		if (SPI_execute_with_args(psprintf(PUT_ENTRY, tables->quoted), 4,
								  types, values, NULL, false,
								  1) != SPI_OK_SELECT)
			elog(ERROR, "the log of seals is not told");
	}
	CDR_FAULT("before-access-commit");
}

static void
insert_note(const Note *note)
{
	const char	*texts[CDR_NOTE_TEXTS];
	const char	*at = note->texts;
	CdrTables	 tables;
	CdrRights	 rights;
	CdrNoteEntry entry;

	cdr_tables_require(&tables, AccessShareLock);
	for (int i = 0; i < CDR_NOTE_TEXTS; i++)
	{
		texts[i] = note->is_null[i] ? NULL : at;
		at += strlen(at) + 1;
	}
	cdr_rights_assume(&tables, cdr_rights_writer(&tables), &rights);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	cdr_access_begin(&tables, &entry);
	cdr_access_insert(&tables, &entry, texts, note->at, note->rows);
	cdr_access_end(&tables, &entry);
	SPI_finish();
	cdr_rights_restore(&rights);
}

static void
record_note(Note *note)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		insert_note(note);
		PopActiveSnapshot();
		CommitTransactionCommand();
		CDR_FAULT("after-access-commit");
		note->is_recorded = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		note->sqlerrcode = error->sqlerrcode;
		strlcpy(note->message, error->message ? error->message : "",
				sizeof(note->message));
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
}

void
cdr_access_note_main(Datum handle)
{
	dsm_segment *segment;
	Note		*note;

	BackgroundWorkerUnblockSignals();
	/* before there is a database, for the note says which */
	segment = dsm_attach(DatumGetUInt32(handle));
	if (segment == NULL)
		return; /* the reader is gone */
	dsm_pin_mapping(segment);
	note = dsm_segment_address(segment);

	BackgroundWorkerInitializeConnectionByOid(note->database, InvalidOid, 0);
	override_setting("default_transaction_read_only", "off");
	override_setting("default_transaction_isolation", "read committed");
	override_setting("session_replication_role", "origin");
	override_setting("lock_timeout", LOCK_TIMEOUT);
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		override_setting("synchronous_commit", "on");
	MemoryContextSwitchTo(TopMemoryContext);
	record_note(note);
}
