/*-------------------------------------------------------------------------
 *
 * call_values.c
 *	  A call as the values of a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

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
put_time(Row *row, TimestampTz time)
{
	put_value(row, TimestampTzGetDatum(time), time == CDR_NO_TIME);
}

/* clang-format off */

/* The types of columns.h. */
#define PUT_TEXT(name, reg)		   put_text(&row, call->name);
#define PUT_TIME(name, reg)		   put_time(&row, call->name);
#define PUT_TIME_ALWAYS(name, reg) put_time(&row, call->name);
#define PUT_COUNT(name, reg) \
	put_value(&row, Int64GetDatum(call->name), false);
#define PUT_BIGINT(name, reg) \
	put_value(&row, Int64GetDatum(call->name), !call->has_##name);
#define PUT_UUID(name, reg) \
	put_value(&row, UUIDPGetDatum(&call->name), \
			  WINNING_TIME(CDR_REGISTER_##reg) == CDR_NO_TIME);
#define PUT(name, type, reg) PUT_##type(name, reg)

/* The time of the event that won a register. */
#define WINNING_TIME(...)		  SECOND(__VA_ARGS__)
#define SECOND(rule, time, id) call->time

/* clang-format on */

void
cdr_call_values(const CdrCall *call, Datum *values, bool *nulls)
{
	Row row = {.values = values, .nulls = nulls};

	CDR_CALL_COLUMNS(PUT)
}
