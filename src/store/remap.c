/*-------------------------------------------------------------------------
 *
 * remap.c
 *	  The newest mappings, applied to the events of the log.
 *
 * First all chosen events are read, and the keys of those noted that are read
 * otherwise now; then each slice of these is planned (remap_plan.c), moved
 * (remap_write.c), and the calls that it concerns are written anew (rebuild.c), in
 * one transaction.  So each slice leaves log and calls as they would be if these
 * events had been read so from the start; and whoever is interrupted goes on from
 * there when he begins again.
 *
 * Beside batches.  A batch may be recording what a slice moves an event to: the
 * message came again and was read by the new version.  Then the unique index has
 * one of them wait for the other.  If it is the slice, it fails when the batch
 * commits, and is planned once more, with the event of the batch in sight.  Two of
 * these functions lock each other out.
 *
 * Memory.  The keys are in a tuple store, in a file beyond work_mem, which lives
 * across transactions; a slice has its events without their bodies.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "base/result.h"
#include "store/anew.h"
#include "store/constraints.h"
#include "store/locks.h"
#include "store/mapping_cache.h"
#include "store/rebuild.h"
#include "store/remap.h"
#include "store/remap_write.h"
#include "store/writer.h"
#include "store/writer_query.h"

/* Rows that are fetched at a time: each may have a body of 16 MB. */
#define REMAP_PORTION 10

/* How often a slice is tried that meets the batch of somebody else. */
#define TRIES 5

/* Those of cdr_remap_preview(), in rebuild.sql. */
#define PREVIEW_COLUMNS 11

#define READ_CHOSEN                                      \
	"SELECT " CDR_ANEW_EVENT " FROM %s.call_events AS e" \
	" WHERE e.time_source <> 'f' AND NOT " CDR_LOG_IS_ERASED

typedef struct Keys
{
	Tuplestorestate *store;
	TupleTableSlot	*slot;
} Keys;

/* What was done. */
typedef struct Tally
{
	int64 moved;
	int64 repeated;
	int64 left;
	int64 calls;
} Tally;

/* ------------------------------------------------------------------------
 * The keys of what is read otherwise
 * ------------------------------------------------------------------------
 */

static void
keys_open(Keys *keys)
{
	TupleDesc columns = CreateTemplateTupleDesc(3);

	TupleDescInitEntry(columns, 1, "call_id", TEXTOID, -1, 0);
	TupleDescInitEntry(columns, 2, "event_id", UUIDOID, -1, 0);
	TupleDescInitEntry(columns, 3, "event_time", TIMESTAMPTZOID, -1, 0);
	keys->slot = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
	keys->store = tuplestore_begin_heap(false, true, work_mem);
}

static void
put_row_key(Keys *keys, const CdrCursor *cursor)
{
	Datum values[3];
	bool  nulls[3];

	values[0] = CStringGetTextDatum(cdr_log_text(cursor, CDR_LOG_CALL_ID));
	nulls[0] = false;
	values[1] = cdr_cursor_value(cursor, CDR_LOG_EVENT_ID, &nulls[1]);
	values[2] = cdr_cursor_value(cursor, CDR_LOG_EVENT_TIME, &nulls[2]);
	tuplestore_putvalues(keys->store, keys->slot->tts_tupleDescriptor, values,
						 nulls);
}

/* The next keys, max of them at most, in the current context; how many. */
static int
take_keys(Keys *keys, CdrLogKey *slice, int max)
{
	int	 count = 0;
	bool isnull;

	while (count < max &&
		   tuplestore_gettupleslot(keys->store, true, false, keys->slot))
	{
		CdrLogKey *key = &slice[count++];

		key->call_id =
			TextDatumGetCString(slot_getattr(keys->slot, 1, &isnull));
		key->event_id = *DatumGetUUIDP(slot_getattr(keys->slot, 2, &isnull));
		key->time = DatumGetTimestampTz(slot_getattr(keys->slot, 3, &isnull));
	}
	/* what was read from a file is in this context, too */
	ExecClearTuple(keys->slot);
	return count;
}

static void
open_chosen(CdrCursor *cursor, const CdrTables *tables,
			const CdrChoice *choice)
{
	CdrArguments arguments = {0};
	const char	*which = "";

	if (choice->kind == CDR_NAMED_CALLS)
	{
		which = " AND e.call_id = ANY ($1)";
		arguments =
			(CdrArguments){1,
						   true,
						   {TEXTARRAYOID},
						   {cdr_text_array(choice->ids, choice->nids)}};
	}
	else if (choice->kind == CDR_CALLS_OF_TIME)
	{
		which = " AND e.event_time >= $1 AND e.event_time < $2";
		arguments = (CdrArguments){2,
								   false,
								   {TIMESTAMPTZOID, TIMESTAMPTZOID},
								   {TimestampTzGetDatum(choice->from),
									TimestampTzGetDatum(choice->to)}};
	}
	cdr_cursor_open(cursor, psprintf(READ_CHOSEN "%s", tables->quoted, which),
					&arguments, CDR_AS_CALLER, REMAP_PORTION);
}

/* Reads all chosen events; in SPI, which is connected. */
static void
find_keys(Keys *keys, const CdrTables *tables, const CdrRemap *remap)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(outer, "cdr_service event",
												  ALLOCSET_DEFAULT_SIZES);
	CdrCursor	  cursor;
	CdrEvent	  event;

	open_chosen(&cursor, tables, remap->choice);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(scratch);
		if (cdr_read_anew(&cursor, remap->exchange, &event) != CDR_ANEW_SAME)
			put_row_key(keys, &cursor);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(scratch);
	}
	cdr_cursor_close(&cursor);
	MemoryContextDelete(scratch);
}

/* The same, as the role that writes. */
static void
find_keys_as_writer(Keys *keys, const CdrRemap *remap)
{
	CdrTables tables;
	CdrRights rights;

	cdr_mappings_look();
	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	find_keys(keys, &tables, remap);
	cdr_writer_query_close(&rights);
}

/* ------------------------------------------------------------------------
 * Slices
 * ------------------------------------------------------------------------
 */

static void
count_fates(const CdrRemapPlan *plan, Tally *tally)
{
	for (int i = 0; i < plan->count; i++)
	{
		const CdrRemapItem *item = &plan->items[i];

		tally->moved += item->fate == CDR_REMAP_MOVES;
		tally->repeated += item->fate == CDR_REMAP_REPEATS;
		tally->left += item->fate == CDR_REMAP_LEFT && item->asked;
	}
}

/* Moves events and writes their calls anew; throws. */
static void
move_slice(const CdrRemap *remap, const CdrLogKey *keys, int count,
		   Tally *tally)
{
	CdrTables	  tables;
	CdrRights	  rights;
	CdrRemapPlan *plan;
	CdrChoice	  choice;
	Datum		 *ids;
	int			  nids;
	int64		  unwritten = 0; /* none: prune writes all */

	cdr_mappings_look();
	cdr_tables_require(&tables, RowExclusiveLock);
	cdr_writer_open(&tables, &rights);
	plan = cdr_remap_plan(&tables, remap->exchange, keys, count);
	cdr_remap_write(plan);
	ids = cdr_remap_calls(plan, &nids);
	choice = cdr_choice_of_ids(ids, nids);
	/* all that these calls have counted is in the log: it says what they are */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	tally->calls +=
		cdr_calls_rebuild(&tables, &choice, true, NULL, &unwritten);
	PopActiveSnapshot();
	/* the plan goes with the writer's memory */
	count_fates(plan, tally);
	cdr_writer_close(&rights);
}

/*
 * The same in a subtransaction.  False, with nothing done, if somebody else has
 * recorded what one of these events is now.
 */
static bool
try_slice(const CdrRemap *remap, const CdrLogKey *keys, int count,
		  bool is_last_try, Tally *tally)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(context, "cdr_service slice",
												  ALLOCSET_DEFAULT_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;
	Tally		  so_far = *tally;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		move_slice(remap, keys, count, &so_far);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		*tally = so_far;
		done = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(scratch);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		cdr_writer_forget_plans();
		if (is_last_try || error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextDelete(scratch);
	return done;
}

static void
remap_slice(const CdrRemap *remap, const CdrLogKey *keys, int count,
			Tally *tally)
{
	if (remap->commits)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		cdr_check_constraints_at_once();
	}
	cdr_lock_remap();
	for (int n = 1; !try_slice(remap, keys, count, n == TRIES, tally); n++)
		CHECK_FOR_INTERRUPTS();
	if (remap->commits)
	{
		PopActiveSnapshot();
		SPI_commit();
	}
}

static void
remap_slices(Keys *keys, const CdrRemap *remap, Tally *tally)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service keys", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	CdrLogKey	 *slice =
		MemoryContextAlloc(outer, remap->slice * sizeof(CdrLogKey));
	CdrProgress progress;
	int			count;

	cdr_progress_begin(&progress, CDR_WORK_REMAP, -1);
	cdr_progress_phase(&progress, CDR_PHASE_FINDING, -1);
	find_keys_as_writer(keys, remap);
	cdr_progress_phase(&progress, CDR_PHASE_WORKING,
					   tuplestore_tuple_count(keys->store));
	while ((count = take_keys(keys, slice, remap->slice)) > 0)
	{
		remap_slice(remap, slice, count, tally);
		cdr_progress_add(&progress, count);
		MemoryContextReset(context);
	}
	cdr_progress_end();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/* What was done is not passed over in silence. */
static void
tell_remapped(const Tally *tally)
{
	if (tally->moved + tally->repeated + tally->left == 0)
		return;
	ereport(
		NOTICE,
		(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
		 errmsg_plural("%lld event is read by another mapping than before",
					   "%lld events are read by other mappings than before",
					   (unsigned long) tally->moved, (long long) tally->moved),
		 errdetail("%lld were the same as others, and were dropped; %lld "
				   "were left as they are.",
				   (long long) tally->repeated, (long long) tally->left),
		 tally->left == 0
			 ? 0
			 : errhint("cdr_remap_preview() says why they were left.")));
}

int64
cdr_remap(const CdrRemap *remap)
{
	volatile Tally tally = {0};
	Keys		   keys;

	keys_open(&keys);
	PG_TRY();
	{
		remap_slices(&keys, remap, unvolatize(Tally *, &tally));
	}
	PG_FINALLY();
	{
		tuplestore_end(keys.store);
	}
	PG_END_TRY();
	tell_remapped(unvolatize(Tally *, &tally));
	return tally.calls;
}

/* ------------------------------------------------------------------------
 * The preview
 * ------------------------------------------------------------------------
 */

/* The name and version of a mapping, into two columns; null: none, or lost. */
static void
put_mapping(int id, Datum *values, bool *nulls)
{
	const CdrMappingId *mapping = id == 0 ? NULL : cdr_mappings_of_id(id);

	nulls[0] = nulls[1] = mapping == NULL;
	if (mapping == NULL)
		return;
	values[0] = CStringGetTextDatum(mapping->name);
	values[1] = Int32GetDatum(mapping->version);
}

static void
put_key_columns(const CdrLogKey *key, Datum *values)
{
	values[0] = UUIDPGetDatum(&key->event_id);
	values[1] = CStringGetTextDatum(key->call_id);
	values[2] = TimestampTzGetDatum(key->time);
}

static void
return_item(ReturnSetInfo *info, const CdrRemapItem *item)
{
	Datum		values[PREVIEW_COLUMNS];
	bool		nulls[PREVIEW_COLUMNS] = {false};
	const char *note = item->fate == CDR_REMAP_REPEATS
						   ? "is the same event as another, which stays"
						   : item->why;

	put_key_columns(&item->from, values);
	put_mapping(item->from_mapping, values + 3, nulls + 3);
	put_key_columns(&item->to, values + 5);
	put_mapping(item->fate == CDR_REMAP_LEFT ? item->from_mapping
											 : item->to_mapping,
				values + 8, nulls + 8);
	nulls[10] = note == NULL;
	if (note != NULL)
		values[10] = CStringGetTextDatum(
			item->fate == CDR_REMAP_LEFT ? psprintf("left: %s", note) : note);
	CDR_PUT_ROW(info, values, nulls);
}

/* One that was asked for; or one that goes, and would not be otherwise. */
static bool
is_shown(const CdrRemapItem *item)
{
	return item->asked || (item->fate == CDR_REMAP_REPEATS &&
						   item->from_mapping == item->to_mapping);
}

static void
preview_slices(ReturnSetInfo *info, Keys *keys, const CdrTables *tables,
			   const CdrRemap *remap)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service slice", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	CdrLogKey	 *slice =
		MemoryContextAlloc(outer, remap->slice * sizeof(CdrLogKey));
	int count;

	find_keys(keys, tables, remap);
	while ((count = take_keys(keys, slice, remap->slice)) > 0)
	{
		CdrRemapPlan *plan =
			cdr_remap_plan(tables, remap->exchange, slice, count);

		for (int i = 0; i < plan->count; i++)
		{
			if (is_shown(&plan->items[i]))
				return_item(info, &plan->items[i]);
		}
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

PG_FUNCTION_INFO_V1(cdr_remap_preview);

/* Writes nothing. */
Datum
cdr_remap_preview(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	CdrChoice	   choice = cdr_choice(fcinfo, 3);
	CdrRemap	   remap = {.choice = &choice, .slice = CDR_REMAP_SLICE};
	CdrTables	   tables;
	CdrRights	   rights;
	Keys		   keys;

	if (!PG_ARGISNULL(4))
		remap.exchange = text_to_cstring(PG_GETARG_TEXT_PP(4));
	InitMaterializedSRF(fcinfo, 0);
	cdr_mappings_look();
	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	keys_open(&keys);
	preview_slices(info, &keys, &tables, &remap);
	tuplestore_end(keys.store);
	cdr_writer_query_close(&rights);
	return (Datum) 0;
}
