/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  SQL: rows of somebody's table become events, read by a mapping that is
 *	  named.
 *
 * A row is known by its JSON, byte for byte, unless the mapping says otherwise: so
 * the same rows change nothing when they come again.  What they say has the rank
 * that the mapping gives it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "backfill/rows.h"
#include "base/compat.h"
#include "store/bisect.h"
#include "store/dead_letters.h"
#include "store/event_options.h"
#include "store/record.h"
#include "store/writer.h"

void
cdr_backfill_begin(const char *mapping, bool keep_refused,
				   CdrRowReading *reading)
{
	cdr_row_source(mapping, &reading->source);
	reading->keep_refused = keep_refused;
	if (reading->source.version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no mapping \"%s\"", mapping),
				 errhint("Insert it into cdr_mappings, from a preset for "
						 "example; with enabled => false it reads nothing but "
						 "such rows.")));
}

static void
refuse_row(int64 row, const CdrReason *reason)
{
	ereport(ERROR, (errcode(reason->sqlerrcode),
					errmsg("row %lld cannot be recorded: %s", (long long) row,
						   reason->message),
					reason->detail ? errdetail("%s", reason->detail) : 0,
					errhint("With keep_refused => true, such rows become dead "
							"letters.")));
}

/* Reads rows, of which so many came before; throws if one is no event. */
static CdrEvent *
read_events(const CdrRowReading *reading, const Datum *rows, int count,
			int64 before)
{
	CdrEventOptions options;
	CdrEvent	   *events = MemoryContextAllocHuge(
			  CurrentMemoryContext, (Size) Max(count, 1) * sizeof(CdrEvent));

	options = cdr_event_options_now();
	for (int i = 0; i < count; i++)
	{
		const text *json = DatumGetTextPP(rows[i]);

		cdr_row_read(cdr_row_message(&reading->source, VARDATA_ANY(json),
									 VARSIZE_ANY_EXHDR(json)),
					 reading->source.version, &options, &events[i]);
		if (events[i].reason != NULL && !reading->keep_refused)
			refuse_row(before + i + 1, events[i].reason);
	}
	return events;
}

static void
add_counts(const CdrJob *job, const CdrEvent *events, int count,
		   CdrRowCounts *counts)
{
	int letters = 0;

	for (int i = 0; i < count; i++)
		letters += events[i].reason != NULL;
	counts->rows += count;
	counts->stored += job->recorded.events;
	counts->known += count - letters - job->recorded.events;
	counts->dead_letters += letters;
	counts->without_call += job->recorded.unmapped;
	counts->without_time += job->recorded.without_time;
}

void
cdr_backfill_store(const CdrRowReading *reading, const Datum *rows, int count,
				   CdrRowCounts *counts)
{
	CdrEvent *events = read_events(reading, rows, count, counts->rows);
	CdrTables tables;
	CdrRights rights;
	CdrJob	  job;

	cdr_job_init(&job, events, count);
	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	if (reading->keep_refused)
		cdr_bisect(&job, job.events, job.nevents);
	else
		cdr_record_events(job.events, job.nevents, CDR_LIKELY_NEW,
						  &job.recorded);
	if (job.nletters > 0)
		(void) cdr_dead_letters_keep(job.letters, job.nletters);
	cdr_writer_close(&rights);
	add_counts(&job, events, count, counts);
}

Datum
cdr_backfill_counts(FunctionCallInfo fcinfo, const CdrRowCounts *counts)
{
	TupleDesc columns;
	Datum	  values[CDR_ROW_NCOUNTS] = {Int64GetDatum(counts->rows),
										 Int64GetDatum(counts->stored),
										 Int64GetDatum(counts->known),
										 Int64GetDatum(counts->dead_letters),
										 Int64GetDatum(counts->without_call),
										 Int64GetDatum(counts->without_time)};
	bool	  nulls[CDR_ROW_NCOUNTS] = {0};

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "the function is not declared as it is");
	return HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

PG_FUNCTION_INFO_V1(cdr_ingest_rows);

Datum
cdr_ingest_rows(PG_FUNCTION_ARGS)
{
	CdrRowReading reading;
	CdrRowCounts  counts = {0};
	Datum		 *rows;
	bool		 *nulls;
	int			  count;

	cdr_backfill_begin(text_to_cstring(PG_GETARG_TEXT_PP(0)),
					   PG_GETARG_BOOL(2), &reading);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONOID, -1, false,
					  TYPALIGN_INT, &rows, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("row %d of the array is null", i + 1)));
	}
	if (count > 0)
		cdr_backfill_store(&reading, rows, count, &counts);
	PG_RETURN_DATUM(cdr_backfill_counts(fcinfo, &counts));
}
