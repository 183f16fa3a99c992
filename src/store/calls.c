/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  The table calls: one row for each call, merged from its events.
 *
 * A batch's calls are inserted; where a call has a row, ON CONFLICT locks it and
 * sets it to what cdr_join_calls() makes of the two, in the one order of calls in
 * which all batches lock them.  The join is that of call/merge.c: there is no
 * other in SQL.
 *
 * Most calls of a batch are new.  Those that are thought to be are inserted after
 * the others, without looking for a row of theirs, which takes some 7 % of the
 * time of a batch; if there is one, the batch fails, and is stored the other way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/typcache.h"

#include "base/guc.h"
#include "store/call_values.h"
#include "store/calls.h"
#include "store/recent.h"
#include "store/table_columns.h"

/* clang-format off */

#define NAME(name, type, comment)	  ", " #name
#define OID(name, type, comment)	  CDR_OID_##type,
#define STORED(name, type, comment) ", c." #name "::" CDR_SQL_##type
#define ADDED(name, type, comment)	  ", EXCLUDED." #name "::" CDR_SQL_##type
#define JOINED(name, type, comment) ", (j.joined)." #name
#define LISTED(name, type, comment)	  ", j." #name
#define DECLARED(name, type, comment) ", " #name " " CDR_SQL_##type

#define INSERT_CALLS \
	"INSERT INTO %1$s.calls AS c" \
	" (call_id" CDR_CALL_VALUES(NAME) ") SELECT * FROM %2$s"
#define ON_CONFLICT_SET \
	" ON CONFLICT (call_id) DO UPDATE SET (status" CDR_CALL_OTHERS(NAME) ") ="
#define TWO_ROWS \
	"(ROW(c.call_id::text" CDR_CALL_VALUES(STORED) "), " \
	"ROW(EXCLUDED.call_id::text" CDR_CALL_VALUES(ADDED) "))"

#define TELL_CALLS \
	" RETURNING c.call_id::text, c.first_event_time::timestamptz," \
	" c.last_event_time::timestamptz, c.event_count::bigint"

/* (OFFSET 0: the function is called once for a row, not for each column.) */
#define MERGE_CALLS                                                 \
	INSERT_CALLS ON_CONFLICT_SET                                    \
		" (SELECT (j.joined).status" CDR_CALL_OTHERS(JOINED)        \
		" FROM (SELECT %1$s.cdr_join_calls" TWO_ROWS                \
		" AS joined OFFSET 0) AS j)"

static CdrStatement merge_calls = {
	.sql = MERGE_CALLS,
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

/* The same, where somebody wants to know how many events they have now. */
static CdrStatement merge_calls_told = {
	.sql = MERGE_CALLS TELL_CALLS,
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

/*
 * Both where the extension has another version than the library: there,
 * cdr_join_calls() may be declared with other columns.  (They are slower.)
 */
#define MERGE_CALLS_AS_LISTED                                       \
	INSERT_CALLS ON_CONFLICT_SET                                    \
		" (SELECT j.status" CDR_CALL_OTHERS(LISTED)                 \
		" FROM %1$s.cdr_join_rows" TWO_ROWS                         \
		" AS j(call_id text" CDR_CALL_VALUES(DECLARED) "))"

static CdrStatement merge_calls_as_listed = {
	.sql = MERGE_CALLS_AS_LISTED,
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

static CdrStatement merge_calls_as_listed_told = {
	.sql = MERGE_CALLS_AS_LISTED TELL_CALLS,
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

/* For calls that have no row yet: looks for none, and throws if there is one. */
static CdrStatement insert_calls = {
	.sql = "INSERT INTO %1$s.calls (call_id" CDR_CALL_VALUES(NAME) ")"
		   " SELECT * FROM %2$s",
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

/* clang-format on */

StaticAssertDecl(CDR_CALL_NCOLUMNS <= CDR_COLUMNS_MAX,
				 "a row of calls has too many columns");

CdrStatement *const cdr_calls_statements[] = {
	&merge_calls,			&merge_calls_told,
	&merge_calls_as_listed, &merge_calls_as_listed_told,
	&insert_calls,			NULL};

/* Those to merge with. */
static CdrStatement *merge = &merge_calls;
static CdrStatement *merge_told = &merge_calls_told;

void
cdr_calls_open(const char *version)
{
	bool is_ours = strcmp(version, CDR_VERSION) == 0;

	merge = is_ours ? &merge_calls : &merge_calls_as_listed;
	merge_told = is_ours ? &merge_calls_told : &merge_calls_as_listed_told;
}

static void
put_call(CdrRows *rows, const CdrCall *call)
{
	cdr_call_values(call, rows->values, rows->nulls);
	cdr_row_end(rows);
}

/*
 * Has the call no row yet?  It has begun among these events, and none of it came
 * before, as far as is remembered.
 */
static bool
is_new_call(const CdrCall *call)
{
	return !cdr_recent_call(call->call_id) &&
		   call->facts[CDR_REG_STARTED].time != CDR_NO_TIME;
}

void
cdr_calls_merge(CdrEvent **events, int count, bool mostly_new,
				CdrCallSpans *merged)
{
	CdrRows *rows = cdr_rows_begin(merged != NULL ? merge_told : merge);
	CdrRows *new_rows = NULL;
	CdrCall	 call;

	/* in two orders, so not where another worker may wait for one of them */
	if (mostly_new && cdr_workers == 1)
		new_rows = cdr_rows_begin(&insert_calls);
	for (int i = 0; i < count; i++)
	{
		const char *call_id = events[i]->call_id;

		if (call_id[0] == '\0')
			continue;
		if (i == 0 || strcmp(events[i - 1]->call_id, call_id) != 0)
			cdr_call_init(&call, call_id);
		cdr_call_add(&call, events[i]);
		if (i == count - 1 || strcmp(events[i + 1]->call_id, call_id) != 0)
			put_call(is_new_call(&call) && new_rows != NULL ? new_rows : rows,
					 &call);
	}
	cdr_rows_execute(rows,
					 merged != NULL ? SPI_OK_INSERT_RETURNING : SPI_OK_INSERT);
	if (merged != NULL)
		cdr_call_spans_take(merged);
	if (new_rows != NULL)
		cdr_rows_execute(new_rows, SPI_OK_INSERT);
}

CdrCall
cdr_call_of_record(Datum record)
{
	static const Oid types[] = {CDR_CALL_COLUMNS(OID)};
	HeapTupleHeader	 header = DatumGetHeapTupleHeader(record);
	HeapTupleData	 tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),
							  .t_data = header};
	TupleDesc		 columns = lookup_rowtype_tupdesc(
			   HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	bool	fits = columns->natts == CDR_CALL_NCOLUMNS;
	Datum	values[CDR_CALL_NCOLUMNS];
	bool	nulls[CDR_CALL_NCOLUMNS];
	CdrCall call;

	for (int i = 0; fits && i < CDR_CALL_NCOLUMNS; i++)
		fits = TupleDescAttr(columns, i)->atttypid == types[i];
	if (!fits)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("a record is no row of table \"calls\"")));
	heap_deform_tuple(&tuple, columns, values, nulls);
	ReleaseTupleDesc(columns);
	cdr_call_of_values(values, nulls, &call);
	return call;
}

/* What the row looks like that is returned; found out once for a query. */
static TupleDesc
result_columns(FunctionCallInfo fcinfo)
{
	MemoryContext outer;
	TupleDesc	  columns;

	if (fcinfo->flinfo->fn_extra != NULL)
		return fcinfo->flinfo->fn_extra;
	outer = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE ||
		columns->natts != CDR_CALL_NCOLUMNS)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a function that returns calls is declared with other "
					"columns than its library has"),
			 errhint("Restart the server after an update of the library, and "
					 "run ALTER EXTENSION cdr_service UPDATE.")));
	columns = BlessTupleDesc(columns);
	MemoryContextSwitchTo(outer);
	fcinfo->flinfo->fn_extra = columns;
	return columns;
}

Datum
cdr_call_record(FunctionCallInfo fcinfo, const CdrCall *call)
{
	TupleDesc columns = result_columns(fcinfo);
	Datum	  values[CDR_CALL_NCOLUMNS];
	bool	  nulls[CDR_CALL_NCOLUMNS];

	cdr_call_values(call, values, nulls);
	return HeapTupleGetDatum(heap_form_tuple(columns, values, nulls));
}

PG_FUNCTION_INFO_V1(cdr_join_calls);

/*
 * The row of a call of which two rows say each a part, by no event in common.
 * Anybody may call it: it reads nothing but its arguments.
 */
Datum
cdr_join_calls(PG_FUNCTION_ARGS)
{
	CdrCall call = cdr_call_of_record(PG_GETARG_DATUM(0));
	CdrCall added = cdr_call_of_record(PG_GETARG_DATUM(1));

	if (call.call_id == NULL || added.call_id == NULL ||
		strcmp(call.call_id, added.call_id) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the rows are of different calls")));
	cdr_call_join(&call, &added);
	PG_RETURN_DATUM(cdr_call_record(fcinfo, &call));
}
