/*-------------------------------------------------------------------------
 *
 * rollup_call.c
 *	  What is counted of a call.
 *
 * cdr_traffic() says the same in SQL (report/traffic.sql).  Where this changes, the
 * rollup has to be made anew by the script that updates the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "call/causes.h"
#include "store/rollup_call.h"

/* Of an answered call, in microseconds. */
#define SHORT_CALL (15 * USECS_PER_SEC)

static const struct
{
	const char *name;
	Oid			type;
} columns_counted[CDR_ROLLUP_NCOLUMNS] = {
	[CDR_ROLLUP_START] = {"start_time", TIMESTAMPTZOID},
	[CDR_ROLLUP_ANSWER] = {"answer_time", TIMESTAMPTZOID},
	[CDR_ROLLUP_END] = {"end_time", TIMESTAMPTZOID},
	[CDR_ROLLUP_TENANT_ID] = {"tenant_id", TEXTOID},
	[CDR_ROLLUP_DIRECTION_OF] = {"direction", TEXTOID},
	[CDR_ROLLUP_DISPOSITION] = {"disposition", TEXTOID},
	[CDR_ROLLUP_HANGUP_CAUSE] = {"hangup_cause", TEXTOID},
	[CDR_ROLLUP_SIP_STATUS] = {"sip_status", INT4OID},
};

bool
cdr_rollup_columns(TupleDesc row, CdrRollupColumns *columns)
{
	memset(columns, 0, sizeof(CdrRollupColumns));
	for (int i = 0; i < row->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(row, i);

		for (int c = 0; c < CDR_ROLLUP_NCOLUMNS && !column->attisdropped; c++)
		{
			/* (text may be of limited length) */
			if (strcmp(NameStr(column->attname), columns_counted[c].name) ==
					0 &&
				(column->atttypid == columns_counted[c].type ||
				 (column->atttypid == VARCHAROID &&
				  columns_counted[c].type == TEXTOID)))
				columns->numbers[c] = column->attnum;
		}
	}
	for (int c = 0; c < CDR_ROLLUP_NCOLUMNS; c++)
	{
		if (columns->numbers[c] == InvalidAttrNumber)
			return false;
	}
	return true;
}

/* A time that is not known: none that a column can hold. */
#define UNKNOWN (DT_NOBEGIN + 1)

/* What counts of a row. */
typedef struct CountedCall
{
	TimestampTz start;
	TimestampTz answer;
	TimestampTz end;
	TimestampTz attempt;
	int64		occupied; /* microseconds; 0 also while it is up */
} CountedCall;

static TimestampTz
get_time(TupleTableSlot *slot, AttrNumber number)
{
	bool  isnull;
	Datum value = slot_getattr(slot, number, &isnull);

	return isnull ? UNKNOWN : DatumGetTimestampTz(value);
}

static CdrRollupText
get_text(TupleTableSlot *slot, AttrNumber number)
{
	bool		  isnull;
	Datum		  value = slot_getattr(slot, number, &isnull);
	CdrRollupText result = {NULL, 0};

	if (!isnull)
	{
		text *detoasted = DatumGetTextPP(value);

		result.data = VARDATA_ANY(detoasted);
		result.length = (int) VARSIZE_ANY_EXHDR(detoasted);
	}
	return result;
}

static bool
is_known(TimestampTz time)
{
	return time != UNKNOWN;
}

static CountedCall
get_call(TupleTableSlot *slot, const CdrRollupColumns *columns)
{
	CountedCall call = {
		.start = get_time(slot, columns->numbers[CDR_ROLLUP_START]),
		.answer = get_time(slot, columns->numbers[CDR_ROLLUP_ANSWER]),
		.end = get_time(slot, columns->numbers[CDR_ROLLUP_END]),
	};

	call.attempt = is_known(call.start)	   ? call.start
				   : is_known(call.answer) ? call.answer
										   : call.end;
	if (is_known(call.start) && call.end > call.start)
		call.occupied =
			Min(call.end, call.start + CDR_OCCUPIES_AT_MOST) - call.start;
	return call;
}

/* Of a call that ended without an answer: its disposition, and its cause. */
static void
count_unanswered(int64 *counts, CdrRollupKey *key, TupleTableSlot *slot,
				 const CdrRollupColumns *columns)
{
	static const struct
	{
		const char *name;
		int			length;
		int			place;
	} ways[] = {
		{"ANSWERED", 8, CDR_ROLLUP_presumed},
		{"BUSY", 4, CDR_ROLLUP_busy},
		{"CANCELED", 8, CDR_ROLLUP_canceled},
		{"FAILED", 6, CDR_ROLLUP_failed},
		{"NO_ANSWER", 9, CDR_ROLLUP_no_answer},
	};
	CdrRollupText how =
		get_text(slot, columns->numbers[CDR_ROLLUP_DISPOSITION]);
	CdrRollupText *cause = &key->text[CDR_ROLLUP_CAUSE];
	bool		   isnull;
	Datum		   status =
		slot_getattr(slot, columns->numbers[CDR_ROLLUP_SIP_STATUS], &isnull);

	for (int i = 0; i < (int) lengthof(ways) && how.data != NULL; i++)
	{
		if (how.length == ways[i].length &&
			memcmp(how.data, ways[i].name, how.length) == 0)
			counts[ways[i].place]++;
	}
	/* SIP's status tells more than the name that some platform made of it */
	if (!isnull)
		cause->data = psprintf("%d", DatumGetInt32(status));
	else
	{
		*cause = get_text(slot, columns->numbers[CDR_ROLLUP_HANGUP_CAUSE]);
		if (cause->data == NULL)
			return;
		cause->data = cdr_cause_fold(pnstrdup(cause->data, cause->length));
	}
	cause->length = (int) strlen(cause->data);
}

static void
count_times(int64 *counts, const CountedCall *call)
{
	bool answered =
		is_known(call->answer) && !TIMESTAMP_NOT_FINITE(call->answer);

	if (answered && is_known(call->end) && !TIMESTAMP_NOT_FINITE(call->end) &&
		call->end >= call->answer)
	{
		uint64 talk = (uint64) call->end - (uint64) call->answer;

		counts[CDR_ROLLUP_talks] = 1;
		counts[CDR_ROLLUP_talk_time] = (int64) talk;
		counts[CDR_ROLLUP_short_calls] = talk <= SHORT_CALL;
	}
	if (answered && is_known(call->start) && call->answer >= call->start)
	{
		counts[CDR_ROLLUP_setups] = 1;
		counts[CDR_ROLLUP_setup_time] =
			(int64) ((uint64) call->answer - (uint64) call->start);
	}
}

/* The quarters of an hour after the first that a call occupied, too. */
static void
count_span(CdrRollup *rollup, CdrRollupKey key, const CountedCall *call,
		   int sign)
{
	TimestampTz until = call->start + call->occupied;

	key.text[CDR_ROLLUP_CAUSE] = (CdrRollupText){NULL, 0};
	for (;;)
	{
		int64 counts[CDR_ROLLUP_NMEASURES] = {0};

		key.bucket += CDR_QUARTER;
		key.quarters++;
		if (key.bucket >= until)
			break;
		counts[CDR_ROLLUP_occupied] = Min(until - key.bucket, CDR_QUARTER);
		cdr_rollup_add(cdr_rollup_entry(rollup, &key)->counts, counts, sign);
	}
}

/* What a row adds to the counts of its bucket, and to those after it. */
typedef struct CountedRow
{
	bool		 counts_at_all;
	bool		 is_split;
	CountedCall	 call;
	CdrRollupKey key;
	int64		 counts[CDR_ROLLUP_NMEASURES];
} CountedRow;

static void
look_at_row(CountedRow *row, TupleTableSlot *slot,
			const CdrRollupColumns *columns)
{
	CountedCall call = get_call(slot, columns);
	int64	   *counts = row->counts;
	int64		into_bucket;
	bool		lengthy = call.occupied > CDR_LENGTHY;

	memset(row, 0, sizeof(CountedRow));
	/* at infinity, or never: in no time that anybody asks for */
	if (!is_known(call.attempt) || TIMESTAMP_NOT_FINITE(call.attempt))
		return;
	row->counts_at_all = true;
	row->call = call;
	into_bucket = call.attempt % CDR_QUARTER;
	if (into_bucket < 0)
		into_bucket += CDR_QUARTER;
	row->key.bucket = call.attempt - into_bucket;
	row->key.text[CDR_ROLLUP_TENANT] =
		get_text(slot, columns->numbers[CDR_ROLLUP_TENANT_ID]);
	row->key.text[CDR_ROLLUP_DIRECTION] =
		get_text(slot, columns->numbers[CDR_ROLLUP_DIRECTION_OF]);
	counts[CDR_ROLLUP_attempts] = 1;
	counts[CDR_ROLLUP_without_start] = !is_known(call.start);
	counts[CDR_ROLLUP_open] = !is_known(call.end);
	counts[CDR_ROLLUP_answered] = is_known(call.answer);
	counts[CDR_ROLLUP_lengthy] = lengthy;
	counts[CDR_ROLLUP_decided] = is_known(call.answer) || is_known(call.end);
	if (!is_known(call.answer) && is_known(call.end))
		count_unanswered(counts, &row->key, slot, columns);
	count_times(counts, &call);
	row->is_split = call.occupied > 0 && !lengthy;
	if (row->is_split)
		counts[CDR_ROLLUP_occupied] =
			Min(call.occupied, CDR_QUARTER - into_bucket);
}

static void
add_row_looked_at(CdrRollup *rollup, const CountedRow *row, int sign)
{
	if (!row->counts_at_all)
		return;
	if (row->is_split)
		count_span(rollup, row->key, &row->call, sign);
	cdr_rollup_add(cdr_rollup_entry(rollup, &row->key)->counts, row->counts,
				   sign);
}

void
cdr_rollup_count(CdrRollup *rollup, TupleTableSlot *slot,
				 const CdrRollupColumns *columns, int sign)
{
	CountedRow row;

	look_at_row(&row, slot, columns);
	add_row_looked_at(rollup, &row, sign);
}

/* Most changes are of a call that is up, whose key stays the same: then one entry is
 * looked for, or none. */
void
cdr_rollup_recount_row(CdrRollup *rollup, TupleTableSlot *before,
					   TupleTableSlot *after, const CdrRollupColumns *columns)
{
	CountedRow old;
	CountedRow new;

	look_at_row(&old, before, columns);
	look_at_row(&new, after, columns);
	if (old.counts_at_all && new.counts_at_all && !old.is_split &&
		!new.is_split && cdr_rollup_is_same(&old.key, &new.key))
	{
		if (memcmp(old.counts, new.counts, sizeof(old.counts)) == 0)
			return;
		cdr_rollup_add(new.counts, old.counts, -1);
		old.counts_at_all = false;
	}
	add_row_looked_at(rollup, &old, -1);
	add_row_looked_at(rollup, &new, 1);
}
