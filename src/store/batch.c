/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  A worker's batch, in a transaction of its own.
 *
 * Errors.  A batch is tried as a whole.  If its data fails, it is tried again in
 * halves (bisect.c).  If its moment fails (a deadlock, a full disk, a lock, a
 * table that somebody altered), nothing is written and the caller keeps the
 * batch.
 *
 * Trials.  If nothing can be stored, nothing tells a message that is to blame
 * from a wrong moment.  So an event is made up, written as any other, and taken
 * back.  There are two: one that has nothing in common with the message but its
 * time; and one that is the message's own event, of another call.
 *
 * Where the message waits for others, for a lock of theirs, only the second can
 * tell.  What they hold may be what many events refer to, such as the row of their
 * tenant, and one that says nothing would pass it by: then all would be to blame,
 * while none of them could be stored.  The call alone is left out, for its row is
 * the message's own.  Where it fails for any other reason, that may be what it
 * says, which would condemn its copy as well; so one that passes is enough, the
 * second too, for tables may want what the first does not say.
 *
 * Memory.  Events belong to the caller.  What outlives the transaction, such as
 * the reasons of dead letters, goes to the context that was current at the call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/cancel.h"
#include "base/compat.h"
#include "base/fault.h"
#include "store/batch.h"
#include "store/bisect.h"
#include "store/constraints.h"
#include "store/dead_letters.h"
#include "store/event_options.h"
#include "store/late.h"
#include "store/passing.h"
#include "store/record.h"
#include "store/writer.h"

/*
 * Makes a commit wait although the batch wrote nothing, because all of it was
 * recorded before, or a trigger has dropped it.  Whoever recorded it may not have
 * waited: a worker that was ended while it waited for a standby, a session with
 * synchronous_commit off.  To wait for a record of ours is to wait for all before
 * it.
 */
static void
make_commit_wait(void)
{
	cdr_log_empty_message(CDR_EXTENSION_NAME);
}

/* Changes a setting for this transaction. */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Has the commit wait until it is durable, here and on synchronous standbys,
 * whatever was set by whom until this moment: a reload, a trigger.
 */
static void
demand_durability(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		set_local("synchronous_commit", "on");
}

/* Is on disk what was committed last? */
static bool
is_durable(void)
{
	return XactLastCommitEnd <= GetFlushRecPtr(NULL);
}

/* The call of an event that is made up and taken back. */
#define TRIAL_NAME "cdr_service trial"

/* The ways to store a batch, from the fastest to the one that always works. */
typedef enum Manner
{
	MOSTLY_NEW, /* fails if an event, or a call, is recorded that did not come lately */
	AS_A_WHOLE, /* fails if the tables refuse an event */
	IN_HALVES
} Manner;

/*
 * Batches that are still to be stored as a whole, after one that held an event
 * that was recorded long ago, or the start of a call that was: for there will be more.
 */
#define WARY_BATCHES 30
static int wary = 0;

/* Is a transaction about to be committed?  Did the last that was fail in that? */
static bool committing = false;
static bool commit_failed = false;

bool
cdr_batch_commit_failed(void)
{
	return commit_failed;
}

/* The reason that a buffer holds, for longer than it. */
static CdrReason
copy_reason(MemoryContext context, const CdrReasonBuffer *buffer)
{
	const CdrReason *reason = &buffer->reason;

	return (CdrReason){
		.sqlerrcode = reason->sqlerrcode,
		.message = MemoryContextStrdup(context, reason->message),
		.hint =
			reason->hint ? MemoryContextStrdup(context, reason->hint) : NULL};
}

/* Writes the job, through an open writer; throws. */
static void
write_job(CdrJob *job, Manner manner, CdrBatchResult *result)
{
	if (manner == IN_HALVES)
		cdr_bisect(job, job->events, job->nevents);
	else if (job->nevents > 0)
		cdr_record_events(job->events, job->nevents,
						  manner == MOSTLY_NEW ? CDR_MOSTLY_NEW
											   : CDR_PARTLY_NEW,
						  &job->recorded);
	if (job->nletters > 0)
	{
		CDR_FAULT("before-dead-letters");
		result->dead_letters =
			cdr_dead_letters_keep(job->letters, job->nletters);
		CDR_FAULT("after-dead-letters");
	}
}

/*
 * Commits what was written.  A cancel or terminate that comes from here on may
 * end the wait for a synchronous standby early, which only warns: so it must not
 * have come.
 */
static CdrBatchOutcome
commit_job(CdrBatchResult *result)
{
	/* only who has a number of a transaction waits, whatever was to be written */
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		make_commit_wait();
	demand_durability();
	cdr_patience_end();
	cdr_cancel_forget();
	CHECK_FOR_INTERRUPTS();
	CDR_FAULT("before-commit");
	committing = true;
	CommitTransactionCommand();
	committing = commit_failed = false;
	CDR_FAULT("after-commit");
	result->committed_at = GetCurrentTimestamp();
	return cdr_cancel_was_seen() || ProcDiePending || !is_durable()
			   ? CDR_BATCH_NOT_DURABLE
			   : CDR_BATCH_STORED;
}

/* It could have been committed: that is all a trial is for. */
static CdrBatchOutcome
take_back_trial(void)
{
	cdr_patience_end();
	AbortCurrentTransaction();
	return CDR_BATCH_STORED;
}

/*
 * The tables that a job writes to: a lock on another is no matter of its own.
 * Where events are tried one by one, some may become dead letters; not in a trial,
 * which is to tell whether they need not.
 */
static unsigned
tables_needed(const CdrJob *job, Manner manner)
{
	unsigned needed = 0;

	if (job->nevents > 0)
		needed |= CDR_TABLE_BIT(CDR_CALL_EVENTS) | CDR_TABLE_BIT(CDR_CALLS);
	if (job->nletters > 0 || (manner == IN_HALVES && !job->is_trial))
		needed |= CDR_TABLE_BIT(CDR_DEAD_LETTERS);
	for (int i = 0; i < job->nevents; i++)
	{
		if (cdr_event_is_keyed(job->events[i]))
			return needed | CDR_TABLE_BIT(CDR_TIMELESS_EVENTS);
	}
	return needed;
}

/* One try at the whole job, in its own transaction; throws. */
static CdrBatchOutcome
run_transaction(CdrJob *job, Manner manner, CdrPatience patience,
				CdrBatchResult *result)
{
	CdrTables		tables;
	CdrRights		rights;
	CdrReasonBuffer why;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "storing a batch of events");
	cdr_patience_begin(patience);
	cdr_check_constraints_at_once();
	switch (cdr_tables_lock_some(&tables, tables_needed(job, manner),
								 RowExclusiveLock, &why))
	{
		case CDR_NO_EXTENSION:
			cdr_patience_end();
			AbortCurrentTransaction();
			return CDR_BATCH_NO_EXTENSION;
		case CDR_TABLES_UNFIT:
			result->reason = copy_reason(job->context, &why);
			cdr_patience_end();
			AbortCurrentTransaction();
			return CDR_BATCH_UNFIT;
		case CDR_TABLES_FIT:
			break;
	}

	job->writer = MemoryContextStrdup(
		job->context, GetUserNameFromId(cdr_rights_writer(&tables), false));
	cdr_writer_open(&tables, &rights);
	write_job(job, manner, result);
	if (!job->is_trial)
		cdr_late_note(tables.table[CDR_CALL_EVENTS], job->events,
					  job->nevents);
	cdr_writer_close(&rights);
	PopActiveSnapshot();
	return job->is_trial ? take_back_trial() : commit_job(result);
}

/* The same, but an error is returned, NULL for none; nothing was written. */
static ErrorData *
try_transaction(CdrJob *job, Manner manner, CdrPatience patience,
				CdrBatchOutcome *outcome, CdrBatchResult *result)
{
	ErrorData *volatile error = NULL;
	int nletters = job->nletters;

	job->recorded = (CdrRecorded){0};
	PG_TRY();
	{
		*outcome = run_transaction(job, manner, patience, result);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		commit_failed |= committing;
		committing = false;
		cdr_patience_end();
		MemoryContextSwitchTo(job->context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		cdr_writer_forget_plans();
		/* those that were refused are events again */
		while (job->nletters > nletters)
			job->letters[--job->nletters]->reason = NULL;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(job->context);
	pgstat_report_activity(STATE_IDLE, NULL);
	return error;
}

/* Why a batch waits; of a right that is missing, also who lacks it. */
static CdrReason
reason_to_wait(const CdrJob *job, const ErrorData *error)
{
	CdrReason reason = cdr_reason_of_error(error);

	if (reason.sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE &&
		reason.hint == NULL && job->writer != NULL)
		reason.hint = psprintf("The service writes as role \"%s\": grant it "
							   "what it lacks, or run "
							   "cdr_adopt_tables('%s').",
							   job->writer, CDR_ROLE_NAME);
	return reason;
}

/* Does the server say so?  A trigger that raises it has reasons of its own. */
static bool
is_of_server(const ErrorData *error)
{
	return error->funcname == NULL ||
		   strcmp(error->funcname, "exec_stmt_raise") != 0;
}

/* Are others in the way, by a lock or by changes of the same rows? */
static bool
others_are_in_the_way(const ErrorData *error)
{
	return (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
				ERRCODE_TRANSACTION_ROLLBACK) &&
		   is_of_server(error);
}

/*
 * Does the server lack what it needs, such as room on its disk?  A small event may
 * find it where a large one does not, but no event is to blame.  A limit of the
 * configuration is none that will pass, nor is a statement that takes too long.
 */
static bool
server_lacks_something(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return error->sqlerrcode != ERRCODE_CONFIGURATION_LIMIT_EXCEEDED &&
				   error->sqlerrcode != ERRCODE_QUERY_CANCELED &&
				   is_of_server(error);
		default:
			return false;
	}
}

/* What the status says of the last dead letter of a batch. */
static CdrReason
reason_of_letter(const CdrEvent *letter)
{
	CdrReason reason = *letter->reason;

	reason.message = psprintf("dead letter: %s", reason.message);
	return reason;
}

/* What it says of an event that was recorded, but is of no use to a call. */
static CdrReason
reason_of_event(const CdrEvent *event)
{
	const char *type = event->type != NULL ? event->type : "";
	CdrReason	reason = {.sqlerrcode = ERRCODE_DATA_EXCEPTION};

	if (cdr_event_lacks_call(event))
		reason.message = psprintf("event of type \"%s\" names no call", type);
	else if (event->time_unread)
		reason.message = psprintf(
			"event of type \"%s\" has a time that cannot be read", type);
	else
		reason.message =
			psprintf("event of type \"%s\" has no time of its own", type);
	return reason;
}

/* What is to be told of a job that was stored; none if all is well. */
static CdrReason
reason_of_job(const CdrJob *job, int64 dead_letters)
{
	if (dead_letters > 0)
		return reason_of_letter(job->letters[job->nletters - 1]);
	for (int i = 0; i < job->nevents; i++)
	{
		const CdrEvent *event = job->events[i];

		if ((job->recorded.without_call + job->recorded.unmapped > 0 &&
			 cdr_event_lacks_call(event)) ||
			(job->recorded.without_time > 0 && cdr_event_lacks_time(event)))
			return reason_of_event(event);
	}
	return (CdrReason){0};
}

static TimestampTz
latest_time(const CdrJob *job)
{
	TimestampTz latest = 0;

	for (int i = 0; i < job->nevents; i++)
	{
		if (latest == 0 || job->events[i]->time > latest)
			latest = job->events[i]->time;
	}
	return latest;
}

CdrBatchOutcome
cdr_batch_store(CdrEvent *events, int count, CdrPatience patience,
				CdrBatchResult *result)
{
	CdrJob			job;
	Manner			manner;
	CdrBatchOutcome outcome = CDR_BATCH_RETRY;
	ErrorData	   *error;

	memset(result, 0, sizeof(CdrBatchResult));
	cdr_job_init(&job, events, count);
	manner = wary > 0 ? AS_A_WHOLE : MOSTLY_NEW;
	error = try_transaction(&job, manner, patience, &outcome, result);
	while (error != NULL && !cdr_error_passes(error->sqlerrcode) &&
		   manner != IN_HALVES)
	{
		FreeErrorData(error);
		manner++;
		error = try_transaction(&job, manner, patience, &outcome, result);
	}
	if (error != NULL)
	{
		result->reason = reason_to_wait(&job, error);
		result->contended = others_are_in_the_way(error);
		result->raised = !is_of_server(error);
		result->starved = server_lacks_something(error);
		return CDR_BATCH_RETRY;
	}
	if (outcome == CDR_BATCH_UNFIT || outcome == CDR_BATCH_NO_EXTENSION)
		return outcome;

	if (wary > 0)
		wary--;
	else if (manner == AS_A_WHOLE ||
			 (manner == IN_HALVES && job.recorded.events < job.nevents))
		wary = WARY_BATCHES;
	result->reason = reason_of_job(&job, result->dead_letters);
	result->recorded = job.recorded.events;
	result->without_call = job.recorded.without_call;
	result->without_time = job.recorded.without_time;
	result->unmapped = job.recorded.unmapped;
	result->duplicates = count - job.recorded.events - result->dead_letters;
	result->last_event_time = latest_time(&job);
	return outcome;
}

/* An id, and a call, that nobody else has. */
static void
make_unique(CdrEvent *event)
{
	if (!pg_strong_random(event->id.data, UUID_LEN))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate a random number")));
	if (event->reason == NULL)
		event->call_id = psprintf(TRIAL_NAME " %d " INT64_FORMAT, MyProcPid,
								  GetCurrentTimestamp());
}

/* An event, or a dead letter, that says nothing, of the time of another. */
static void
make_bare_trial(const CdrEvent *like, bool is_letter, CdrMessage *message,
				CdrEvent *event)
{
	CdrEventOptions options = cdr_event_options();

	memset(message, 0, sizeof(CdrMessage));
	message->body =
		is_letter ? TRIAL_NAME
				  : "{\"eventType\":\"call.started\",\"callId\":\"" TRIAL_NAME
					"\"}";
	message->body_length = message->body_size = strlen(message->body);
	message->property_time = CDR_NO_TIME;
	message->received_at = GetCurrentTimestamp();
	message->known_time = like->time;
	message->known_time_source = CDR_TIME_OF_BODY;
	options.mappings = NULL;
	(void) cdr_event_parse(message, &options, event);
}

/*
 * Writes an event and takes it back.  What the tables refuse of its data, they
 * could have stored of other data: bisect.c tells that from tables that refuse
 * anything.
 */
static bool
try_trial(CdrEvent *event, CdrPatience patience)
{
	CdrJob			job;
	CdrBatchResult	result = {0};
	CdrBatchOutcome outcome = CDR_BATCH_RETRY;
	ErrorData	   *error;

	make_unique(event);
	cdr_job_init(&job, event, 1);
	job.is_trial = true;
	error = try_transaction(&job, IN_HALVES, patience, &outcome, &result);
	return error == NULL && outcome == CDR_BATCH_STORED;
}

bool
cdr_batch_would_store(const CdrEvent *like, CdrTrialKind kind,
					  CdrPatience patience)
{
	CdrMessage message;
	CdrEvent   bare;
	CdrEvent   same = *like;

	/* an event even for a letter: where no letter can be written, events may */
	make_bare_trial(like, false, &message, &bare);
	if (kind != CDR_TRIAL_ALIKE && try_trial(&bare, patience))
		return true;
	if (kind == CDR_TRIAL_BARE)
		return false;
	if (like->reason != NULL && kind == CDR_TRIAL_ANY)
	{
		make_bare_trial(like, true, &message, &bare);
		if (try_trial(&bare, patience))
			return true;
	}
	return try_trial(&same, patience);
}
