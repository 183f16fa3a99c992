/*-------------------------------------------------------------------------
 *
 * shown_call.c
 *	  A call that is computed, as SQL functions show it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "store/shown_call.h"

/* The values of a row, put in one after the other. */
typedef struct ShownRow
{
	int	   count;
	Datum *values;
	bool  *nulls;
} ShownRow;

static void
shown_put(ShownRow *row, Datum value, bool isnull)
{
	row->values[row->count] = value;
	row->nulls[row->count++] = isnull;
}

static void
shown_put_seconds(ShownRow *row, int64 seconds)
{
	shown_put(row, Int64GetDatum(seconds), seconds == CDR_NO_SECONDS);
}

static void
shown_put_time(ShownRow *row, TimestampTz time)
{
	shown_put(row, TimestampTzGetDatum(time), time == CDR_NO_TIME);
}

void
cdr_shown_call(const CdrCall *call, Datum *values, bool *nulls)
{
	ShownRow	   row = {0, values, nulls};
	Datum		   stored[CDR_CALL_NCOLUMNS];
	bool		   stored_nulls[CDR_CALL_NCOLUMNS];
	StringInfoData state;
	CdrRow		   said;

	initStringInfo(&state);
	cdr_call_derive(call, &state, &said);
	cdr_call_values(call, stored, stored_nulls);
	for (int i = 0; i < CDR_CALL_NCOLUMNS; i++)
	{
		if (i == CDR_AT_hangup_cause)
		{
			shown_put_time(&row, cdr_row_attempt(&said));
			shown_put_seconds(&row, cdr_row_duration(&said));
			shown_put_seconds(&row, cdr_row_billable(&said));
		}
		if (i != CDR_AT_merge_state)
			shown_put(&row, stored[i], stored_nulls[i]);
	}
	Assert(row.count == CDR_SHOWN_NCOLUMNS);
}
