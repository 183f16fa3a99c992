/*-------------------------------------------------------------------------
 *
 * comparison.c
 *	  The stored calls beside what their events in the log say.
 *
 * Two cursors in the same order, and one call of each in hand: so any number of
 * calls takes the memory of one.  Both see the same state of the tables.
 *
 * Values are compared as what they are in the log: a DBA may have made text a
 * varchar, say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/call_values.h"
#include "store/comparison.h"
#include "store/horizon.h"
#include "store/retired.h"
#include "store/table_columns.h"

/* Rows of calls that are fetched at a time. */
#define ROWS_PORTION 10

/* clang-format off */

#define STORED(name, type, comment) ", c." #name "::" CDR_SQL_##type " AS " #name

#define READ_ROWS \
	"SELECT c.call_id::text AS call_id" CDR_CALL_VALUES(STORED) \
	" FROM ONLY %s.calls AS c%s" \
	" ORDER BY c.call_id COLLATE \"C\""

/* clang-format on */

static void
open_slice(CdrComparison *c, Datum ids)
{
	CdrArguments arguments = {
		ids == 0 ? 0 : 1, ids != 0, {TEXTARRAYOID}, {ids}};

	cdr_cursor_open(&c->rows,
					psprintf(READ_ROWS, c->tables->quoted,
							 ids == 0 ? "" : " WHERE c.call_id = ANY ($1)"),
					&arguments, c->sees, ROWS_PORTION);
	cdr_log_calls_open(&c->log, c->tables, ids, c->sees);
	c->has_row = cdr_cursor_next(&c->rows) != NULL;
	c->has_call = cdr_log_calls_next(&c->log, &c->call);
	c->columns = CreateTupleDescCopy(c->rows.rows->tupdesc);
	c->is_open = true;
}

static void
close_slice(CdrComparison *c)
{
	if (!c->is_open)
		return;
	cdr_log_calls_close(&c->log);
	cdr_cursor_close(&c->rows);
	c->is_open = false;
}

void
cdr_comparison_open(CdrComparison *c, const CdrTables *tables,
					const CdrChoice *choice, CdrCursorSees sees, bool prune)
{
	memset(c, 0, sizeof(CdrComparison));
	c->tables = tables;
	c->choice = choice;
	c->sees = sees;
	c->prune = prune;
	c->slice = AllocSetContextCreate(CurrentMemoryContext, "cdr_service slice",
									 ALLOCSET_DEFAULT_SIZES);
	c->context = AllocSetContextCreate(CurrentMemoryContext,
									   "cdr_service calls compared",
									   ALLOCSET_DEFAULT_SIZES);
	cdr_slices_open(&c->slices, tables, choice);
}

void
cdr_comparison_close(CdrComparison *c)
{
	close_slice(c);
	cdr_slices_close(&c->slices);
	MemoryContextDelete(c->context);
	MemoryContextDelete(c->slice);
}

/* Which comes first: the row in hand (< 0), the call of the log (> 0), or are
 * they of one call? */
static int
compare_call_ids(CdrComparison *c)
{
	bool  isnull;
	Datum id;

	if (!c->has_row || !c->has_call)
		return c->has_row ? -1 : 1;
	id = cdr_cursor_value(&c->rows, CDR_AT_call_id + 1, &isnull);
	return strcmp(TextDatumGetCString(id), c->call.call_id);
}

/* Copies the row: it is used when the cursor has gone on. */
static void
read_row(CdrComparison *c)
{
	c->stored.is_there = true;
	for (int i = 0; i < CDR_CALL_NCOLUMNS; i++)
	{
		Form_pg_attribute column = TupleDescAttr(c->columns, i);

		c->stored.values[i] =
			cdr_cursor_value(&c->rows, i + 1, &c->stored.nulls[i]);
		if (c->stored.nulls[i])
			continue;
		if (column->attlen == -1)
			c->stored.values[i] =
				PointerGetDatum(PG_DETOAST_DATUM_COPY(c->stored.values[i]));
		else
			c->stored.values[i] = datumCopy(c->stored.values[i],
											column->attbyval, column->attlen);
	}
}

/* Does what the row in hand says of a call lie in the stretch of time asked for? */
static bool
lies_within(const CdrComparison *c)
{
	TimestampTz first =
		DatumGetTimestampTz(CDR_SIDE_VALUE(&c->stored, first_event_time));
	TimestampTz last =
		DatumGetTimestampTz(CDR_SIDE_VALUE(&c->stored, last_event_time));

	return first >= c->choice->from &&
		   (c->choice->to == DT_NOEND || last < c->choice->to);
}

/* A text of a side; NULL for null. */
static const char *
side_text(const CdrSide *side, int column)
{
	return side->nulls[column] ? NULL
							   : TextDatumGetCString(side->values[column]);
}

/*
 * Has the log no partition any more for the time of events that the row in hand
 * has counted?  (Which events the log lacks is not known: but what is retired is
 * at one end of what the log holds, and so of the call's, and of those that
 * functions made for it, which may be from before all others.)
 */
static bool
lost_partition(const CdrComparison *c, const CdrCall *stored)
{
	Oid log = c->tables->table[CDR_CALL_EVENTS];

	return cdr_retired_time(log, stored->first_event_time) ||
		   cdr_retired_time(log, stored->last_event_time) ||
		   (stored->first_made != CDR_NO_TIME &&
			(cdr_retired_time(log, stored->first_made) ||
			 cdr_retired_time(log, stored->last_made)));
}

/* Or was it retention that took some of them? */
static bool
lost_rows(const CdrComparison *c, const CdrCall *stored)
{
	TimestampTz first = stored->first_event_time;
	TimestampTz last = stored->last_event_time;

	if (stored->first_made != CDR_NO_TIME)
	{
		first = Min(first, stored->first_made);
		last = Max(last, stored->last_made);
	}
	return cdr_horizon_of_events(
		c->tables, side_text(&c->stored, CDR_AT_tenant_id), first, last);
}

/*
 * Was the call in hand retired, and its events are not yet?  Then its row is
 * missing, or says what came late.
 */
static bool
was_let_go(const CdrComparison *c)
{
	const CdrSide *call = &c->expected;

	if (!c->has_events ||
		(c->stored.is_there &&
		 DatumGetInt64(CDR_SIDE_VALUE(&c->stored, event_count)) >=
			 DatumGetInt64(CDR_SIDE_VALUE(call, event_count))))
		return false;
	return cdr_horizon_of_calls(
		c->tables, side_text(call, CDR_AT_tenant_id),
		DatumGetTimestampTz(call->nulls[CDR_AT_end_time]
								? CDR_SIDE_VALUE(call, last_event_time)
								: CDR_SIDE_VALUE(call, end_time)));
}

/*
 * Adds to a call of the log what the row in hand has kept of events that were
 * retired.  Only if the row can be read: else it is damaged, and differs.
 *
 * Events that are in both count once: where the two say the same, the join
 * changes nothing, and the row holds the sum of them.  Those that were erased are in
 * the log, which counts them, and what they said is in the row.
 */
static void
add_retired(CdrComparison *c, CdrCall *call)
{
	int64	stored_count;
	int64	log_count = call->event_count;
	CdrCall stored;

	c->is_retired = c->is_forgotten = false;
	if (!c->stored.is_there)
		return;
	c->is_forgotten = c->prune && !c->is_erased && lies_within(c);
	if (c->is_forgotten)
		return;
	stored_count = DatumGetInt64(CDR_SIDE_VALUE(&c->stored, event_count));
	if ((stored_count <= log_count && !c->is_erased) ||
		cdr_call_try_values(c->stored.values, c->stored.nulls, &stored) !=
			NULL)
		return;
	c->is_retired = stored_count > log_count &&
					(lost_partition(c, &stored) || lost_rows(c, &stored));
	if (!c->is_retired && !c->is_erased)
		return;
	cdr_call_join(call, &stored);
	call->event_count = c->is_retired ? stored_count : log_count;
	c->nretired += c->is_retired;
}

/* What the row should be, by the events of the log, if there are any. */
static void
expect_call(CdrComparison *c, bool has_events)
{
	CdrCall call = c->call;

	if (!has_events)
		cdr_call_init(
			&call, TextDatumGetCString(CDR_SIDE_VALUE(&c->stored, call_id)));
	c->has_events = has_events;
	c->is_erased = has_events && c->log.is_erased;
	add_retired(c, &call);
	c->expected.is_there = has_events || c->is_retired;
	if (c->expected.is_there)
		cdr_call_values(&call, c->expected.values, c->expected.nulls);
}

/* Takes what is next on each side; false when both are at their end. */
static bool
advance(CdrComparison *c)
{
	int order;

	MemoryContextReset(c->context);
	c->stored.is_there = c->expected.is_there = false;
	if (!c->has_row && !c->has_call)
		return false;
	order = compare_call_ids(c);
	if (order <= 0)
		read_row(c);
	expect_call(c, order >= 0);
	if (order <= 0)
		c->has_row = cdr_cursor_next(&c->rows) != NULL;
	if (order >= 0)
		c->has_call = cdr_log_calls_next(&c->log, &c->call);
	return true;
}

/* Notes in which columns the two sides differ. */
static bool
differ(CdrComparison *c)
{
	const CdrSide *x = &c->stored;
	const CdrSide *y = &c->expected;
	bool		   found = false;

	if (!x->is_there || !y->is_there)
		return true;
	for (int i = 0; i < CDR_CALL_NCOLUMNS; i++)
	{
		Form_pg_attribute column = TupleDescAttr(c->columns, i);

		c->differs[i] = x->nulls[i] != y->nulls[i] ||
						(!x->nulls[i] &&
						 !datum_image_eq(x->values[i], y->values[i],
										 column->attbyval, column->attlen));
		found |= c->differs[i];
	}
	return found;
}

static bool
next_slice(CdrComparison *c)
{
	Datum ids;
	bool  found;

	close_slice(c);
	MemoryContextReset(c->slice);
	found = cdr_slices_next(&c->slices, &ids);
	if (found)
		open_slice(c, ids);
	return found;
}

bool
cdr_comparison_next(CdrComparison *c)
{
	MemoryContext outer = MemoryContextSwitchTo(c->slice);
	bool		  found = false;

	do
	{
		while (!found && c->is_open)
		{
			MemoryContextSwitchTo(c->context);
			if (!advance(c))
				break;
			cdr_progress_add(c->progress, 1);
			found = differ(c) && !was_let_go(c);
		}
		MemoryContextSwitchTo(c->slice);
	} while (!found && next_slice(c));
	MemoryContextSwitchTo(outer);
	return found;
}
