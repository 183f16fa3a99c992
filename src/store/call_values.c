/*-------------------------------------------------------------------------
 *
 * call_values.c
 *	  A call as the values of a row, and a row's values as a call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/call_values.h"

/* A row while its values are put in, one after the other. */
typedef struct Row
{
	Datum *values;
	bool  *nulls;
	int	   count;
} Row;

static void
put_value(Row *row, Datum value, bool isnull)
{
	row->values[row->count] = value;
	row->nulls[row->count++] = isnull;
}

static void
put_text(Row *row, const char *text)
{
	put_value(row, text != NULL ? CStringGetTextDatum(text) : (Datum) 0,
			  text == NULL);
}

static void
put_bytea(Row *row, const char *bytes, size_t length)
{
	put_value(row,
			  PointerGetDatum(cstring_to_text_with_len(bytes, (int) length)),
			  false);
}

static void
put_time(Row *row, TimestampTz time)
{
	put_value(row, TimestampTzGetDatum(time), time == CDR_NO_TIME);
}

static void
put_anomalies(Row *row, unsigned int anomalies)
{
	Datum names[CDR_NANOMALIES];
	int	  count = 0;

	for (int i = 0; i < CDR_NANOMALIES; i++)
	{
		if (anomalies & (1U << i))
			names[count++] = CStringGetTextDatum(cdr_anomaly_names[i]);
	}
	put_value(row,
			  count > 0 ? PointerGetDatum(construct_array(
							  names, count, TEXTOID, -1, false, TYPALIGN_INT))
						: (Datum) 0,
			  count == 0);
}

/* clang-format off */

/* The types of columns.h. */
#define PUT_TEXT(name)		  put_text(&row, said.name);
#define PUT_STATUS(name)	  put_text(&row, said.name);
#define PUT_TIME(name)		  put_time(&row, said.name);
#define PUT_TIME_ALWAYS(name) put_time(&row, said.name);
#define PUT_INTEGER(name) \
	put_value(&row, Int32GetDatum(said.name), said.name == 0);
#define PUT_BIGINT(name) \
	put_value(&row, Int64GetDatum(said.name), !said.has_##name);
#define PUT_COUNT(name)		  put_value(&row, Int64GetDatum(said.name), false);
#define PUT_ANOMALIES(name)	  put_anomalies(&row, said.name);
#define PUT_BYTEA(name)		  put_bytea(&row, said.name, said.name##_length);
#define PUT(name, type, comment) PUT_##type(name)

/* clang-format on */

void
cdr_call_values(const CdrCall *call, Datum *values, bool *nulls)
{
	Row			   row = {.values = values, .nulls = nulls};
	StringInfoData state;
	CdrRow		   said;

	initStringInfo(&state);
	cdr_call_derive(call, &state, &said);
	CDR_CALL_COLUMNS(PUT)
	pfree(state.data);
}

static const char *
text_of_value(Datum value, bool isnull)
{
	return isnull ? NULL : TextDatumGetCString(value);
}

static TimestampTz
time_of(Datum value, bool isnull)
{
	return isnull ? CDR_NO_TIME : DatumGetTimestampTz(value);
}

/* clang-format off */

#define VALUE(name) values[CDR_AT_##name]
#define NULL_(name) nulls[CDR_AT_##name]

/* What follows from the others is not read again. */
#define GET_TEXT(name)		  row.name = text_of_value(VALUE(name), NULL_(name));
#define GET_STATUS(name)
#define GET_TIME(name)		  row.name = time_of(VALUE(name), NULL_(name));
#define GET_TIME_ALWAYS(name) row.name = time_of(VALUE(name), NULL_(name));
#define GET_INTEGER(name) \
	row.name = NULL_(name) ? 0 : DatumGetInt32(VALUE(name));
#define GET_BIGINT(name) \
	row.has_##name = !NULL_(name); \
	row.name = NULL_(name) ? 0 : DatumGetInt64(VALUE(name));
#define GET_COUNT(name) \
	row.name = NULL_(name) ? 0 : DatumGetInt64(VALUE(name));
#define GET_ANOMALIES(name)
#define GET_BYTEA(name) \
	if (!NULL_(name)) \
	{ \
		bytea *bytes = DatumGetByteaPP(VALUE(name)); \
		row.name = VARDATA_ANY(bytes); \
		row.name##_length = VARSIZE_ANY_EXHDR(bytes); \
	}
#define GET(name, type, comment) GET_##type(name)

/* clang-format on */

const char *
cdr_call_try_values(const Datum *values, const bool *nulls, CdrCall *call)
{
	CdrRow row = {.call_id = NULL};

	CDR_CALL_COLUMNS(GET)
	return cdr_call_restore(&row, call);
}

void
cdr_call_of_values(const Datum *values, const bool *nulls, CdrCall *call)
{
	const char *trouble = cdr_call_try_values(values, nulls, call);

	if (trouble != NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("merge_state of call \"%s\" cannot be read",
							   call->call_id != NULL ? call->call_id : ""),
						errdetail("In table \"calls\", %s.", trouble),
						errhint("cdr_rebuild_calls() writes the call anew.")));
}
