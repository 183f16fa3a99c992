/*-------------------------------------------------------------------------
 *
 * chosen_calls.c
 *	  The calls that an SQL function is asked for: one, those of a stretch of
 *	  time, or all; in slices.
 *
 * A call belongs to a stretch of time if one of its events in the log does, or
 * if its row says that it was going on then: so calls are found whose row is
 * missing, and rows whose events are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/chosen_calls.h"

/* Calls of a slice, and bytes of their ids. */
#define SLICE_MAX		1000
#define SLICE_BYTES_MAX (1024 * 1024)

/* $1: from; $2: to; each %1$s is the schema. */
#define CALLS_OF_TIME                                                 \
	"SELECT call_id::pg_catalog.text COLLATE pg_catalog.\"C\""        \
	" FROM %1$s.call_events"                                          \
	" WHERE event_time OPERATOR(pg_catalog.>=) $1"                    \
	" AND event_time OPERATOR(pg_catalog.<) $2"                       \
	" AND call_id OPERATOR(pg_catalog.<>) ''"                         \
	" UNION SELECT call_id::pg_catalog.text COLLATE pg_catalog.\"C\"" \
	" FROM ONLY %1$s.calls"                                           \
	" WHERE first_event_time OPERATOR(pg_catalog.<) $2"               \
	" AND last_event_time OPERATOR(pg_catalog.>=) $1 ORDER BY 1"

CdrChoice
cdr_choice(FunctionCallInfo fcinfo)
{
	CdrChoice choice = {CDR_ALL_CALLS, 0, DT_NOBEGIN, DT_NOEND};

	if (!PG_ARGISNULL(0))
	{
		choice.kind = CDR_ONE_CALL;
		choice.call_id = PG_GETARG_DATUM(0);
	}
	if (PG_ARGISNULL(1) && PG_ARGISNULL(2))
		return choice;
	if (choice.kind == CDR_ONE_CALL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("call_id and a stretch of time cannot both be "
							   "given"),
						errhint("A call is looked at with all of its "
								"events.")));
	choice.kind = CDR_CALLS_OF_TIME;
	if (!PG_ARGISNULL(1))
		choice.from = PG_GETARG_TIMESTAMPTZ(1);
	if (!PG_ARGISNULL(2))
		choice.to = PG_GETARG_TIMESTAMPTZ(2);
	if (choice.from >= choice.to)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("from_time must be before to_time")));
	return choice;
}

void
cdr_slices_open(CdrSlices *slices, const CdrTables *tables,
				const CdrChoice *choice)
{
	memset(slices, 0, sizeof(CdrSlices));
	slices->choice = choice;
	if (choice->kind == CDR_CALLS_OF_TIME)
	{
		CdrArguments arguments = {2,
								  false,
								  {TIMESTAMPTZOID, TIMESTAMPTZOID},
								  {TimestampTzGetDatum(choice->from),
								   TimestampTzGetDatum(choice->to)}};
		char		*sql = psprintf(CALLS_OF_TIME, tables->quoted);

		cdr_cursor_open(&slices->ids, sql, &arguments, CDR_AS_CALLER,
						SLICE_MAX);
		pfree(sql);
	}
}

Datum
cdr_text_array(Datum *texts, int count)
{
	return PointerGetDatum(
		construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The ids that come next, as many as make a slice. */
static bool
take_ids(CdrSlices *slices, Datum *ids)
{
	Datum *texts = palloc(SLICE_MAX * sizeof(Datum));
	Size   bytes = 0;
	int	   count = 0;

	while (count < SLICE_MAX && bytes < SLICE_BYTES_MAX &&
		   cdr_cursor_next(&slices->ids) != NULL)
	{
		bool isnull;

		texts[count] = PointerGetDatum(
			DatumGetTextPCopy(cdr_cursor_value(&slices->ids, 1, &isnull)));
		bytes += VARSIZE(DatumGetPointer(texts[count++]));
	}
	if (count == 0)
		return false;
	*ids = cdr_text_array(texts, count);
	return true;
}

bool
cdr_slices_next(CdrSlices *slices, Datum *ids)
{
	if (slices->choice->kind == CDR_CALLS_OF_TIME)
		return take_ids(slices, ids);
	if (slices->at_end)
		return false;
	slices->at_end = true;
	*ids = 0;
	if (slices->choice->kind == CDR_ONE_CALL)
	{
		Datum call_id = slices->choice->call_id;

		*ids = cdr_text_array(&call_id, 1);
	}
	return true;
}

void
cdr_slices_close(CdrSlices *slices)
{
	if (slices->choice->kind == CDR_CALLS_OF_TIME)
		cdr_cursor_close(&slices->ids);
}
