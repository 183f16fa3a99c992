/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  SQL: dead letters, looked at, tried again or discarded.
 *
 * Letters are tried in portions, in the caller's transaction.  Whatever fails,
 * fails in a subtransaction, and is tried again in halves, down to the one letter
 * that is refused: it stays, with the new reason.  That holds for any error, also
 * for one that would have a worker wait: here nobody comes back.
 *
 * Memory.  That of a portion, and of one try at it: a portion, and then each try,
 * has a context of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "event/each.h"
#include "store/bisect.h"
#include "store/cursor.h"
#include "store/dead_letters.h"
#include "store/event_options.h"
#include "store/row_event.h"
#include "store/writer.h"
#include "store/writer_query.h"

/* Bytes that came out of compressed letters that are tried together. */
#define UNPACKED_MAX (16 * 1024 * 1024)

/* What is done with some letters of a job, and with one for which it failed. */
typedef struct Step
{
	void (*run)(CdrJob *job, CdrEvent **events, int count);
	void (*refuse)(CdrJob *job, CdrEvent *event, const ErrorData *error);
} Step;

/*
 * Was the error made because somebody wants this session to stop?  A trigger may
 * raise the same SQLSTATEs (a cancel, a timeout).  A lock that was waited for too
 * long is the trouble of one letter.
 */
static bool
is_interrupt(const ErrorData *error)
{
	return error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		   error->funcname != NULL &&
		   strcmp(error->funcname, "ProcessInterrupts") == 0;
}

/* Runs a step in a subtransaction.  Returns NULL, or the error. */
static ErrorData *
try_step(CdrJob *job, const Step *step, CdrEvent **events, int count)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext scratch = AllocSetContextCreate(context, "cdr_service try",
												  ALLOCSET_DEFAULT_SIZES);
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		step->run(job, events, count);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	MemoryContextDelete(scratch);
	return error;
}

/* Runs a step over some letters, whole or in halves. */
static void
run_step(CdrJob *job, const Step *step, CdrEvent **events, int count)
{
	ErrorData *error;

	if (count == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	error = try_step(job, step, events, count);
	if (error == NULL)
		return;
	if (is_interrupt(error))
		ReThrowError(error);
	if (count == 1)
	{
		step->refuse(job, events[0], error);
		return;
	}
	FreeErrorData(error);
	run_step(job, step, events, count / 2);
	run_step(job, step, events + count / 2, count - count / 2);
}

/*
 * Records events.  Those that become dead letters again are found by their
 * reasons, so that a try that fails leaves nothing behind.
 */
static void
record(CdrJob *job, CdrEvent **events, int count)
{
	for (int i = 0; i < count; i++)
		events[i]->reason = NULL;
	job->nletters = 0;
	cdr_bisect(job, events, count);
}

static void
keep_reason_of_refusal(CdrJob *job, CdrEvent *event, const ErrorData *error)
{
	CdrReason *reason = MemoryContextAlloc(job->context, sizeof(CdrReason));

	*reason = cdr_reason_of_error(error);
	event->reason = reason;
}

static void
keep(CdrJob *job, CdrEvent **letters, int count)
{
	(void) cdr_dead_letters_keep(letters, count);
}

static void
discard(CdrJob *job, CdrEvent **events, int count)
{
	cdr_dead_letters_delete(events, count);
}

/* The letter stays as it was, or stays although it became an event. */
static void
warn_of_refusal(CdrJob *job, CdrEvent *event, const ErrorData *error)
{
	ereport(WARNING, (errcode(error->sqlerrcode),
					  errmsg("table dead_letters refuses a change: %s",
							 error->message ? error->message : ""),
					  errdetail("The dead letter stays as it was."),
					  errhint("See what is hung on the table.")));
}

/* A row is read by its mapping, a message by what is in force. */
static void
parse_letter(const CdrMessage *message, const CdrEventOptions *options,
			 CdrEvent *event)
{
	if (message->mapping == NULL)
		(void) cdr_event_parse(message, options, event);
	else
		cdr_row_read(message, cdr_mappings_named(message->mapping), options,
					 event);
}

/* Letters that are tried together, and the events that they are. */
typedef struct Portion
{
	CdrEvent *letters; /* as letters: why they stay, or no reason */
	int		 *ends;	   /* of the events of each */
	CdrEvent *events;
	int		  nevents;
	int		  room;
	size_t	  unpacked;
} Portion;

static CdrEvent *
add_event(Portion *portion, const CdrMessage *message,
		  const CdrEventOptions *options)
{
	CdrEvent *event;

	if (portion->nevents == portion->room)
	{
		portion->room *= 2;
		portion->events =
			repalloc_huge(portion->events, portion->room * sizeof(CdrEvent));
	}
	event = &portion->events[portion->nevents++];
	parse_letter(message, options, event);
	portion->unpacked += event->unpacked;
	return event;
}

/* Reads a letter, which may be an array of events. */
static void
read_letter(Portion *portion, int number, const CdrEventOptions *options)
{
	CdrMessage *message = cdr_dead_letters_message(number);
	CdrEach		each = {0};

	if (message->mapping == NULL && cdr_each_asked(message, options))
		(void) cdr_each_split(message, options, false, &each);
	message->refused = each.refused;
	if (each.count == 0)
		(void) add_event(portion, message, options);
	for (int i = 0; i < each.count; i++)
		(void) add_event(portion, &each.messages[i], options);
	portion->unpacked += each.size;
	portion->ends[number] = portion->nevents;
	portion->letters[number] =
		(CdrEvent){.message = message, .id = *message->id, .call_id = ""};
}

/*
 * A letter that is an array stays as a whole if one of its events cannot be
 * recorded, for the reason of that one; the others are.
 */
static void
judge_letter(Portion *portion, int number)
{
	int first = number == 0 ? 0 : portion->ends[number - 1];
	int count = portion->ends[number] - first;

	for (int i = 0; i < count; i++)
	{
		const CdrReason *reason = portion->events[first + i].reason;
		CdrReason		*told;

		if (reason == NULL)
			continue;
		told = palloc(sizeof(CdrReason));
		*told = *reason;
		if (count > 1)
			told->message = psprintf("element %d of %d: %s", i + 1, count,
									 reason->message);
		portion->letters[number].reason = told;
		return;
	}
}

/*
 * Tries the dead letters that were just read, or the first of them, up to *last,
 * where what was in them takes too much memory.  Returns how many are recorded
 * now.
 */
static int64
retry_letters(int count, const CdrEventOptions *options, pg_uuid_t *last)
{
	static const Step recording = {record, keep_reason_of_refusal};
	static const Step discarding = {discard, warn_of_refusal};
	static const Step keeping = {keep, warn_of_refusal};
	Portion			  portion = {.letters = palloc(count * sizeof(CdrEvent)),
								 .ends = palloc(count * sizeof(int)),
								 .events = palloc(count * sizeof(CdrEvent)),
								 .room = count};
	CdrEvent		**stored = palloc(count * sizeof(CdrEvent *));
	CdrEvent		**letters = palloc(count * sizeof(CdrEvent *));
	int				  nstored = 0;
	int				  nletters = 0;
	CdrJob			  job;

	for (int i = 0; i < count; i++)
	{
		read_letter(&portion, i, options);
		if (portion.unpacked >= UNPACKED_MAX)
		{
			*last = portion.letters[i].id;
			count = i + 1;
		}
	}
	SPI_freetuptable(SPI_tuptable);

	cdr_job_init(&job, portion.events, portion.nevents);
	run_step(&job, &recording, job.events, job.nevents);
	for (int i = 0; i < count; i++)
	{
		judge_letter(&portion, i);
		if (portion.letters[i].reason == NULL)
			stored[nstored++] = &portion.letters[i];
		else
			letters[nletters++] = &portion.letters[i];
	}
	run_step(&job, &discarding, stored, nstored);
	run_step(&job, &keeping, letters, nletters);
	return nstored;
}

/*
 * Tries dead letters again, those with the ids given or (NULL) all, in the
 * caller's transaction.  Returns how many are recorded now.
 */
static int64
retry_dead_letters(ArrayType *ids)
{
	CdrEventOptions options = cdr_event_options_now();
	CdrTables		tables;
	CdrRights		rights;
	MemoryContext	context;
	pg_uuid_t		last;
	int64			stored = 0;
	int				count;

	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	context =
		AllocSetContextCreate(CurrentMemoryContext, "cdr_service dead letters",
							  ALLOCSET_DEFAULT_SIZES);
	memset(&last, 0, sizeof(last));
	do
	{
		MemoryContext outer = MemoryContextSwitchTo(context);

		count = cdr_dead_letters_read(&last, ids);
		if (count > 0)
			stored += retry_letters(count, &options, &last);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
	} while (count > 0);
	cdr_writer_close(&rights);
	return stored;
}

PG_FUNCTION_INFO_V1(cdr_retry_dead_letters);

Datum
cdr_retry_dead_letters(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(
		retry_dead_letters(PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0)));
}

PG_FUNCTION_INFO_V1(cdr_discard_dead_letters);

Datum
cdr_discard_dead_letters(PG_FUNCTION_ARGS)
{
	CdrTables tables;
	CdrRights rights;
	int64	  discarded;

	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	discarded = cdr_dead_letters_discard(PG_GETARG_DATUM(0));
	cdr_writer_close(&rights);
	PG_RETURN_INT64(discarded);
}

PG_FUNCTION_INFO_V1(cdr_dead_letters);

/*
 * Without what may tell of persons: the body and the AMQP properties, and the
 * detail of an error, which can repeat a whole row.
 */
Datum
cdr_dead_letters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrTables	   tables;
	CdrRights	   rights;

	InitMaterializedSRF(fcinfo, 0);
	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	cdr_cursor_return(
		info,
		psprintf("SELECT event_id::uuid, received_at::timestamptz,"
				 " last_attempt_at::timestamptz, attempts::int4,"
				 " sqlstate::text, message::text, constraint_name::text,"
				 " exchange::text, routing_key::text, content_type::text,"
				 " property_time::timestamptz, body_size::int8"
				 " FROM ONLY %s.dead_letters",
				 tables.quoted),
		NULL);
	cdr_writer_query_close(&rights);
	return (Datum) 0;
}
