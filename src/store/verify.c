/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  SQL: calls as the log says them, and the stored ones that differ.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/result.h"
#include "store/call_values.h"
#include "store/comparison.h"
#include "store/writer_query.h"

/* A side as jsonb, which the function returns. */
static Datum
side_json(TupleDesc columns, CdrSide *side)
{
	HeapTuple row = heap_form_tuple(columns, side->values, side->nulls);
	Datum	  json = DirectFunctionCall1(row_to_json, HeapTupleGetDatum(row));

	return DirectFunctionCall1(jsonb_in,
							   CStringGetDatum(TextDatumGetCString(json)));
}

/* The columns in which the sides differ, as an array of text. */
static Datum
differing_columns(const CdrComparison *c)
{
	Datum names[CDR_CALL_NCOLUMNS];
	int	  count = 0;

	for (int i = 0; i < CDR_CALL_NCOLUMNS; i++)
	{
		if (c->differs[i])
			names[count++] = CStringGetTextDatum(
				NameStr(TupleDescAttr(c->columns, i)->attname));
	}
	return cdr_text_array(names, count);
}

static void
return_difference(ReturnSetInfo *info, CdrComparison *c)
{
	TupleDesc columns = BlessTupleDesc(CreateTupleDescCopy(c->columns));
	CdrSide	 *named = c->stored.is_there ? &c->stored : &c->expected;
	Datum	  values[4] = {CDR_SIDE_VALUE(named, call_id)};
	bool	  nulls[4] = {false, !c->stored.is_there, !c->expected.is_there};

	if (c->stored.is_there)
		values[1] = side_json(columns, &c->stored);
	if (c->expected.is_there)
		values[2] = side_json(columns, &c->expected);
	nulls[3] = nulls[1] || nulls[2];
	if (!nulls[3])
		values[3] = differing_columns(c);
	CDR_PUT_ROW(info, values, nulls);
}

/* What was retired is not passed over in silence. */
static void
tell_retired(const CdrComparison *c)
{
	if (c->nretired > 0)
		ereport(NOTICE,
				(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
				 errmsg_plural("%lld call has events that were retired",
							   "%lld calls have events that were retired",
							   (unsigned long) c->nretired,
							   (long long) c->nretired),
				 errdetail("What their rows say was compared with itself and "
						   "with the events that are left.")));
}

PG_FUNCTION_INFO_V1(cdr_verify_calls);

Datum
cdr_verify_calls(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrChoice	   choice = cdr_choice(fcinfo, 3);
	CdrTables	   tables;
	CdrRights	   rights;
	CdrComparison  comparison;
	CdrProgress	   progress;

	InitMaterializedSRF(fcinfo, 0);
	cdr_progress_begin(&progress, CDR_WORK_VERIFY_CALLS, -1);
	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	progress.total = cdr_choice_size(&tables, &choice);
	cdr_comparison_open(&comparison, &tables, &choice, CDR_AS_CALLER, false);
	comparison.progress = &progress;
	while (cdr_comparison_next(&comparison))
	{
		MemoryContext outer = MemoryContextSwitchTo(comparison.context);

		return_difference(info, &comparison);
		MemoryContextSwitchTo(outer);
	}
	cdr_progress_end();
	tell_retired(&comparison);
	cdr_comparison_close(&comparison);
	cdr_writer_query_close(&rights);
	return (Datum) 0;
}

/* The calls of a slice of the log, as rows of the result. */
static void
return_calls(ReturnSetInfo *info, const CdrTables *tables, Datum ids)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service row", ALLOCSET_DEFAULT_SIZES);
	CdrLogCalls log;
	CdrCall		call;

	cdr_log_calls_open(&log, tables, ids, CDR_AS_CALLER);
	while (cdr_log_calls_next(&log, &call))
	{
		MemoryContext outer = MemoryContextSwitchTo(context);
		Datum		  values[CDR_CALL_NCOLUMNS];
		bool		  nulls[CDR_CALL_NCOLUMNS];

		cdr_call_values(&call, values, nulls);
		CDR_PUT_ROW(info, values, nulls);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
	}
	cdr_log_calls_close(&log);
	MemoryContextDelete(context);
}

PG_FUNCTION_INFO_V1(cdr_calls_from_log);

/* With the rights of the caller, under whatever search_path he has. */
Datum
cdr_calls_from_log(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		   call_id;
	CdrTables	   tables;

	InitMaterializedSRF(fcinfo, 0);
	cdr_tables_require(&tables, AccessShareLock);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (PG_ARGISNULL(0))
		return_calls(info, &tables, 0);
	else
	{
		call_id = PG_GETARG_DATUM(0);
		return_calls(info, &tables, cdr_text_array(&call_id, 1));
	}
	SPI_finish();
	return (Datum) 0;
}
