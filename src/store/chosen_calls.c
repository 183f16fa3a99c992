/*-------------------------------------------------------------------------
 *
 * chosen_calls.c
 *	  The calls that an SQL function is asked for: those named, those of a
 *	  stretch of time, or all; in slices.
 *
 * A call belongs to a stretch of time if one of its events in the log does, or
 * if its row says that it was going on then: so calls are found whose row is
 * missing, and rows whose events are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/chosen_calls.h"

/* Bytes of the ids of a slice. */
#define SLICE_BYTES_MAX (1024 * 1024)

/* Each %1$s is the schema; $1: from; $2: to. */
#define OF_LOG                                                 \
	"SELECT call_id::pg_catalog.text COLLATE pg_catalog.\"C\"" \
	" FROM %1$s.call_events WHERE call_id OPERATOR(pg_catalog.<>) ''"
#define OF_ROWS                                                       \
	" UNION SELECT call_id::pg_catalog.text COLLATE pg_catalog.\"C\"" \
	" FROM ONLY %1$s.calls"
#define ALL_CALLS OF_LOG OF_ROWS " ORDER BY 1"
#define CALLS_OF_TIME                                          \
	OF_LOG " AND event_time OPERATOR(pg_catalog.>=) $1"        \
		   " AND event_time OPERATOR(pg_catalog.<) $2" OF_ROWS \
		   " WHERE first_event_time OPERATOR(pg_catalog.<) $2" \
		   " AND last_event_time OPERATOR(pg_catalog.>=) $1 ORDER BY 1"

/* In the order of their bytes, as strcmp() has it. */
static int
compare_chosen_ids(const void *a, const void *b)
{
	text *x = DatumGetTextPP(*(const Datum *) a);
	text *y = DatumGetTextPP(*(const Datum *) b);
	int	  length_x = VARSIZE_ANY_EXHDR(x);
	int	  length_y = VARSIZE_ANY_EXHDR(y);
	int	  order =
		memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(length_x, length_y));

	return order != 0 ? order : length_x - length_y;
}

CdrChoice
cdr_choice_of_ids(Datum *ids, int count)
{
	CdrChoice choice = {CDR_NAMED_CALLS, ids, 0, DT_NOBEGIN, DT_NOEND};

	qsort(ids, count, sizeof(Datum), compare_chosen_ids);
	for (int i = 0; i < count; i++)
	{
		if (choice.nids == 0 ||
			compare_chosen_ids(&ids[choice.nids - 1], &ids[i]) != 0)
			ids[choice.nids++] = ids[i];
	}
	return choice;
}

/* The elements of an array that are not null. */
static CdrChoice
choice_of_array(ArrayType *array)
{
	Datum *ids;
	bool  *nulls;
	int	   count;
	int	   nids = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &ids, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			ids[nids++] = ids[i];
	}
	return cdr_choice_of_ids(ids, nids);
}

static CdrChoice
choice_of_time(FunctionCallInfo fcinfo)
{
	CdrChoice choice = {CDR_CALLS_OF_TIME, NULL, 0, DT_NOBEGIN, DT_NOEND};

	if (!PG_ARGISNULL(1))
		choice.from = PG_GETARG_TIMESTAMPTZ(1);
	if (!PG_ARGISNULL(2))
		choice.to = PG_GETARG_TIMESTAMPTZ(2);
	if (choice.from >= choice.to)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("from_time must be before to_time")));
	return choice;
}

CdrChoice
cdr_choice(FunctionCallInfo fcinfo, int call_ids)
{
	CdrChoice all = {CDR_ALL_CALLS, NULL, 0, DT_NOBEGIN, DT_NOEND};
	bool	  has_id = !PG_ARGISNULL(0);
	bool	  has_ids = !PG_ARGISNULL(call_ids);
	bool	  has_time = !PG_ARGISNULL(1) || !PG_ARGISNULL(2);
	Datum	 *id;

	if (has_id + has_ids + has_time > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("only one of call_id, call_ids and a stretch "
							   "of time can be given"),
						errhint("A call is looked at with all of its "
								"events.")));
	if (has_ids)
		return choice_of_array(PG_GETARG_ARRAYTYPE_P(call_ids));
	if (has_time)
		return choice_of_time(fcinfo);
	if (!has_id)
		return all;
	id = palloc(sizeof(Datum));
	*id = PointerGetDatum(PG_GETARG_TEXT_PP(0));
	return cdr_choice_of_ids(id, 1);
}

int64
cdr_choice_size(const CdrTables *tables, const CdrChoice *choice)
{
	HeapTuple row;
	int64	  size;

	if (choice->kind == CDR_NAMED_CALLS)
		return choice->nids;
	if (choice->kind == CDR_CALLS_OF_TIME)
		return -1;
	row = SearchSysCache1(RELOID, ObjectIdGetDatum(tables->table[CDR_CALLS]));
	if (!HeapTupleIsValid(row))
		return -1;
	/* -1: never analyzed */
	size = (int64) ((Form_pg_class) GETSTRUCT(row))->reltuples;
	ReleaseSysCache(row);
	return size;
}

void
cdr_chosen_ids_open(CdrCursor *cursor, const CdrTables *tables,
					const CdrChoice *choice)
{
	bool		 of_time = choice->kind == CDR_CALLS_OF_TIME;
	CdrArguments arguments = {
		of_time ? 2 : 0,
		false,
		{TIMESTAMPTZOID, TIMESTAMPTZOID},
		{TimestampTzGetDatum(choice->from), TimestampTzGetDatum(choice->to)}};
	char *sql = of_time ? psprintf(CALLS_OF_TIME, tables->quoted)
						: psprintf(ALL_CALLS, tables->quoted);

	cdr_cursor_open(cursor, sql, &arguments, CDR_AS_CALLER, CDR_SLICE_MAX);
	pfree(sql);
}

void
cdr_slices_open(CdrSlices *slices, const CdrTables *tables,
				const CdrChoice *choice)
{
	memset(slices, 0, sizeof(CdrSlices));
	slices->choice = choice;
	if (choice->kind == CDR_CALLS_OF_TIME)
		cdr_chosen_ids_open(&slices->cursor, tables, choice);
}

Datum
cdr_text_array(Datum *texts, int count)
{
	return PointerGetDatum(
		construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The id that comes next; false at the end. */
static bool
next_id(CdrSlices *slices, Datum *id)
{
	bool isnull;

	if (slices->choice->kind == CDR_NAMED_CALLS)
	{
		if (slices->next == slices->choice->nids)
			return false;
		*id = slices->choice->ids[slices->next++];
		return true;
	}
	if (cdr_cursor_next(&slices->cursor) == NULL)
		return false;
	*id = PointerGetDatum(
		DatumGetTextPCopy(cdr_cursor_value(&slices->cursor, 1, &isnull)));
	return true;
}

/* The ids that come next, as many as make a slice. */
static bool
take_ids(CdrSlices *slices, Datum *ids)
{
	Datum *texts = palloc(CDR_SLICE_MAX * sizeof(Datum));
	Size   bytes = 0;
	int	   count = 0;

	while (count < CDR_SLICE_MAX && bytes < SLICE_BYTES_MAX &&
		   next_id(slices, &texts[count]))
	{
		bytes += VARSIZE_ANY(DatumGetPointer(texts[count]));
		count++;
	}
	if (count == 0)
		return false;
	*ids = cdr_text_array(texts, count);
	return true;
}

bool
cdr_slices_next(CdrSlices *slices, Datum *ids)
{
	if (slices->choice->kind != CDR_ALL_CALLS)
		return take_ids(slices, ids);
	if (slices->at_end)
		return false;
	slices->at_end = true;
	*ids = 0;
	return true;
}

void
cdr_slices_close(CdrSlices *slices)
{
	if (slices->choice->kind == CDR_CALLS_OF_TIME)
		cdr_cursor_close(&slices->cursor);
}
