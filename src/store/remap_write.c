/*-------------------------------------------------------------------------
 *
 * remap_write.c
 *	  Moves rows of the log, as planned.
 *
 * By UPDATE, so that a row keeps what it has: its times of receipt and recording,
 * its body, and the columns of others.  The server moves it to another partition
 * itself.  Where rows take each other's places, those that stand in the way step
 * aside first, under an identity that nobody has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/remap_write.h"

#define OF_GIVEN                                            \
	" WHERE e.call_id = given.c1 AND e.event_id = given.c2" \
	" AND e.event_time = given.c3"

/* The key, and what it is to be. */
#define KEY_TYPES TEXTOID, UUIDOID, TIMESTAMPTZOID

static CdrStatement step_aside = {
	.sql = "UPDATE %1$s.call_events AS e SET event_id ="
		   " pg_catalog.gen_random_uuid() FROM %2$s" OF_GIVEN
		   " RETURNING given.c4, e.event_id",
	.has_rows = true,
	.ncolumns = 4,
	.types = {KEY_TYPES, INT4OID},
};

static CdrStatement move_events = {
	.sql = "UPDATE %1$s.call_events AS e SET call_id = given.c4,"
		   " event_id = given.c5, event_time = given.c6,"
		   " time_source = given.c7, event_type = given.c8,"
		   " trace_id = given.c9, tenant_id = given.c10,"
		   " mapping = given.c11,"
		   " properties = COALESCE(given.c12, e.properties)"
		   " FROM %2$s" OF_GIVEN,
	.has_rows = true,
	.ncolumns = 12,
	.types = {KEY_TYPES, KEY_TYPES, CHAROID, TEXTOID, TEXTOID, TEXTOID,
			  INT4OID, JSONOID},
};

static CdrStatement drop_events = {
	.sql = "DELETE FROM %1$s.call_events AS e USING %2$s" OF_GIVEN,
	.has_rows = true,
	.ncolumns = 3,
	.types = {KEY_TYPES},
};

static CdrStatement drop_keys = {
	.sql = "DELETE FROM %1$s.timeless_events AS e USING %2$s" OF_GIVEN,
	.has_rows = true,
	.ncolumns = 3,
	.types = {KEY_TYPES},
};

static CdrStatement drop_keys_of_identity = {
	.sql = "DELETE FROM %1$s.timeless_events AS e USING %2$s"
		   " WHERE e.call_id = given.c1 AND e.event_id = given.c2",
	.has_rows = true,
	.ncolumns = 2,
	.types = {TEXTOID, UUIDOID},
};

static CdrStatement enter_moved_keys = {
	.sql = "INSERT INTO %1$s.timeless_events (call_id, event_id, event_time)"
		   " SELECT * FROM %2$s ON CONFLICT DO NOTHING",
	.has_rows = true,
	.ncolumns = 3,
	.types = {KEY_TYPES},
};

CdrStatement *const cdr_remap_statements[] = {
	&step_aside, &move_events,			 &drop_events,
	&drop_keys,	 &drop_keys_of_identity, &enter_moved_keys,
	NULL};

/* Puts a key into three columns of the row in hand. */
static void
put_log_key(CdrRows *rows, int column, const CdrLogKey *key)
{
	cdr_row_put(rows, column, CStringGetTextDatum(key->call_id), false);
	cdr_row_put_id(rows, column + 1, &key->event_id);
	cdr_row_put(rows, column + 2, TimestampTzGetDatum(key->time), false);
}

/* All rows have to be found: else somebody else has changed them. */
static void
execute_for_all(CdrRows *rows, int count, int expected)
{
	cdr_rows_change(rows, expected);
	if (SPI_processed != (uint64) count)
		ereport(
			ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("of %d events of the log that were to be moved, only %lld "
					"were",
					count, (long long) SPI_processed),
			 errdetail("They were changed meanwhile, or a trigger or a policy "
					   "keeps them where they are."),
			 errhint("Call the function again.")));
}

/* Those that stand where others go, out of the way. */
static void
make_way(CdrRemapPlan *plan)
{
	CdrRows *rows = cdr_rows_begin(&step_aside);
	int		 count = 0;

	for (int i = 0; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];

		if (!item->in_way || item->fate != CDR_REMAP_MOVES)
			continue;
		put_log_key(rows, 0, &item->from);
		cdr_row_put(rows, 3, Int32GetDatum(i), false);
		cdr_row_end(rows);
		count++;
	}
	execute_for_all(rows, count, SPI_OK_UPDATE_RETURNING);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool isnull;
		int	 place = DatumGetInt32(cdr_result(row, 1, &isnull));

		plan->items[place].from.event_id =
			*DatumGetUUIDP(cdr_result(row, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
drop_repetitions(const CdrRemapPlan *plan)
{
	CdrRows *rows = cdr_rows_begin(&drop_events);
	int		 count = 0;

	for (int i = 0; i < plan->count; i++)
	{
		if (plan->items[i].fate != CDR_REMAP_REPEATS)
			continue;
		put_log_key(rows, 0, &plan->items[i].from);
		cdr_row_end(rows);
		count++;
	}
	execute_for_all(rows, count, SPI_OK_DELETE);
}

/* Puts the key of an item, as it will be, where it has one. */
static void
put_moved_key(const CdrRemapItem *item, CdrRows *replaced, CdrRows *come)
{
	if (cdr_remap_is_of_no_call(item))
	{
		/* one row is left, and its time is that of the key, whatever was there */
		if (item->fate != CDR_REMAP_MOVES)
			return;
		cdr_row_put(replaced, 0, CStringGetTextDatum(item->to.call_id), false);
		cdr_row_put_id(replaced, 1, &item->to.event_id);
		cdr_row_end(replaced);
	}
	else if (!cdr_remap_is_timeless(item->to_source))
		return;
	put_log_key(come, 0, &item->to);
	cdr_row_end(come);
}

/* Events that are known by keys have them where they go. */
static void
move_keys(const CdrRemapPlan *plan)
{
	CdrRows *gone = cdr_rows_begin(&drop_keys);
	CdrRows *replaced = cdr_rows_begin(&drop_keys_of_identity);
	CdrRows *come = cdr_rows_begin(&enter_moved_keys);

	for (int i = 0; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];

		if (item->fate != CDR_REMAP_MOVES && item->fate != CDR_REMAP_REPEATS)
			continue;
		if (cdr_remap_is_timeless(item->from_source) ||
			item->from.call_id[0] == '\0')
		{
			put_log_key(gone, 0, &item->from);
			cdr_row_end(gone);
		}
		put_moved_key(item, replaced, come);
	}
	cdr_rows_change(gone, SPI_OK_DELETE);
	cdr_rows_change(replaced, SPI_OK_DELETE);
	cdr_rows_execute(come, SPI_OK_INSERT);
}

static void
move_rows(const CdrRemapPlan *plan)
{
	CdrRows *rows = cdr_rows_begin(&move_events);
	int		 count = 0;

	for (int i = 0; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];

		if (item->fate != CDR_REMAP_MOVES)
			continue;
		put_log_key(rows, 0, &item->from);
		put_log_key(rows, 3, &item->to);
		cdr_row_put(rows, 6, CharGetDatum(item->to_source), false);
		cdr_row_put_text(rows, 7, item->event_type);
		cdr_row_put_text(rows, 8, item->trace_id);
		cdr_row_put_text(rows, 9, item->tenant_id);
		cdr_row_put(rows, 10, Int32GetDatum(item->to_mapping),
					item->to_mapping == 0);
		cdr_row_put_text(rows, 11, item->properties);
		cdr_row_end(rows);
		count++;
	}
	execute_for_all(rows, count, SPI_OK_UPDATE);
}

void
cdr_remap_write(CdrRemapPlan *plan)
{
	drop_repetitions(plan);
	/* before any steps aside: by where they were */
	move_keys(plan);
	make_way(plan);
	move_rows(plan);
}

Datum *
cdr_remap_calls(const CdrRemapPlan *plan, int *count)
{
	Datum *ids = palloc(Max(plan->count, 1) * 2 * sizeof(Datum));

	*count = 0;
	for (int i = 0; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];

		if (item->fate != CDR_REMAP_MOVES && item->fate != CDR_REMAP_REPEATS)
			continue;
		if (item->from.call_id[0] != '\0')
			ids[(*count)++] = CStringGetTextDatum(item->from.call_id);
		if (item->to.call_id[0] != '\0')
			ids[(*count)++] = CStringGetTextDatum(item->to.call_id);
	}
	return ids;
}
