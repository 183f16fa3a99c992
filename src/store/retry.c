/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  SQL: dead letters, tried again or discarded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "store/bisect.h"
#include "store/dead_letters.h"
#include "store/event_options.h"
#include "store/writer_query.h"
#include "store/writer.h"

/*
 * Tries the dead letters that were just read.  Returns how many became events.
 */
static int64
retry_letters(int count, const CdrEventOptions *options)
{
	CdrEvent  *events = palloc0(count * sizeof(CdrEvent));
	CdrEvent **stored = palloc(count * sizeof(CdrEvent *));
	int		   nstored = 0;
	CdrJob	   job;

	for (int i = 0; i < count; i++)
		(void) cdr_event_parse(cdr_dead_letters_message(i), options,
							   &events[i]);
	SPI_freetuptable(SPI_tuptable);

	cdr_job_init(&job, events, count);
	if (job.nevents > 0)
		cdr_bisect(&job, job.events, job.nevents);
	for (int i = 0; i < job.nevents; i++)
	{
		if (job.events[i]->reason == NULL)
			stored[nstored++] = job.events[i];
	}
	cdr_dead_letters_delete(stored, nstored);
	if (job.nletters > 0)
		(void) cdr_dead_letters_keep(job.letters, job.nletters);
	return nstored;
}

/*
 * Tries dead letters again, those with the ids given or (NULL) all, in the
 * caller's transaction.  Returns how many became events.
 */
static int64
retry_dead_letters(ArrayType *ids)
{
	CdrEventOptions options = cdr_event_options();
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
			stored += retry_letters(count, &options);
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
	CdrRights rights;
	int64	  discarded;

	cdr_writer_query_open("DELETE FROM ONLY %s.dead_letters"
						  " WHERE event_id OPERATOR(pg_catalog.=) ANY ($1)",
						  UUIDARRAYOID, PG_GETARG_DATUM(0), false, &rights);
	discarded = (int64) SPI_processed;
	cdr_writer_query_close(&rights);
	PG_RETURN_INT64(discarded);
}
