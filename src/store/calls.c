/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  The table calls: one row for each call, merged from its events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "call/merge.h"
#include "store/call_values.h"
#include "store/calls.h"
#include "store/table_columns.h"

/* clang-format off */

/*
 * The join of merge.c, between a stored row (c) and what a batch adds
 * (EXCLUDED): when the batch's event wins a register, by its rule.
 */
#define WINS(time, id, before) \
	"(EXCLUDED." #time " IS NOT NULL AND (c." #time " IS NULL OR" \
	" (EXCLUDED." #time ", EXCLUDED." #id ") " before \
	" (c." #time ", c." #id ")))"
#define WINS_EARLIEST(time, id) WINS(time, id, "<")
#define WINS_LATEST(time, id)	WINS(time, id, ">")
#define WINS_BY(rule, time, id) WINS_##rule(time, id)
#define REGISTER_WINS(...)		WINS_BY(__VA_ARGS__)

#define STARTED_WINS	REGISTER_WINS(CDR_REGISTER_STARTED)
#define IDENTIFIED_WINS REGISTER_WINS(CDR_REGISTER_IDENTIFIED)
#define USER_WINS \
	"(" IDENTIFIED_WINS " OR (EXCLUDED.identified_time IS NULL AND" \
	" c.identified_time IS NULL AND " STARTED_WINS "))"

/* What a column is set to, by the rule of its register. */
#define TAKE(name, condition) \
	", " #name " = CASE WHEN " condition " THEN EXCLUDED." #name \
	" ELSE c." #name " END"
#define SET_EARLIEST(name, time, id) TAKE(name, WINS_EARLIEST(time, id))
#define SET_LATEST(name, time, id)	 TAKE(name, WINS_LATEST(time, id))
#define SET_USER(name, time, id)	 TAKE(name, USER_WINS)
#define SET_FIRST(name, time, id) \
	", " #name " = LEAST(c." #name ", EXCLUDED." #name ")"
#define SET_LAST(name, time, id) \
	", " #name " = GREATEST(c." #name ", EXCLUDED." #name ")"
#define SET_EVENTS(name, time, id) "" /* it begins the list */
#define SET_BY(name, rule, time, id) SET_##rule(name, time, id)
#define SET_REGISTER(name, ...)		 SET_BY(name, __VA_ARGS__)
#define SET(name, type, reg)	 SET_REGISTER(name, CDR_REGISTER_##reg)

#define NAME(name, type, reg) ", " #name
#define OID(name, type, reg)  CDR_OID_##type,

static CdrStatement merge_calls = {
	.sql = "INSERT INTO %1$s.calls AS c"
		   " (call_id" CDR_CALL_VALUES(NAME) ")"
		   " SELECT * FROM %2$s"
		   " ON CONFLICT (call_id) DO UPDATE SET"
		   " event_count = c.event_count + EXCLUDED.event_count"
		   CDR_CALL_VALUES(SET),
	.has_rows = true,
	.ncolumns = CDR_CALL_NCOLUMNS,
	.types = {CDR_CALL_COLUMNS(OID)},
};

/* clang-format on */

StaticAssertDecl(CDR_CALL_NCOLUMNS <= CDR_COLUMNS_MAX,
				 "a row of calls has too many columns");

CdrStatement *const cdr_calls_statements[] = {&merge_calls, NULL};

static void
put_call(CdrRows *rows, const CdrCall *call)
{
	cdr_call_values(call, rows->values, rows->nulls);
	cdr_row_end(rows);
}

void
cdr_calls_merge(CdrEvent **events, int count)
{
	CdrRows *rows = cdr_rows_begin(&merge_calls);
	CdrCall	 call;

	for (int i = 0; i < count; i++)
	{
		const char *call_id = events[i]->call_id;

		if (call_id[0] == '\0')
			continue;
		if (i == 0 || strcmp(events[i - 1]->call_id, call_id) != 0)
			cdr_call_init(&call, call_id);
		cdr_call_add(&call, events[i]);
		if (i == count - 1 || strcmp(events[i + 1]->call_id, call_id) != 0)
			put_call(rows, &call);
	}
	cdr_rows_execute(rows, SPI_OK_INSERT);
}
