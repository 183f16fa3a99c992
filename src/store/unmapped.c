/*-------------------------------------------------------------------------
 *
 * unmapped.c
 *	  SQL: what came, and said nothing of a call.
 *
 * Read again, event by event: only that tells what a body says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/identity.h"
#include "base/result.h"
#include "store/log_event.h"
#include "store/mapping_cache.h"
#include "store/reader_query.h"

/* A publisher may make any number of types; what is beyond is one row. */
#define KINDS_MAX 10000

/* Rows that are fetched at a time. */
#define PORTION 100

/* Those of cdr_unmapped_types(), in mappings.sql. */
#define UNMAPPED_COLUMNS 6

/* The columns of the query that follow those of an event. */
enum
{
	UNMAPPED_EVENT_TYPE = CDR_LOG_NEXT
};

/* Events of one type, routing key and mapping. */
typedef struct Kind
{
	pg_uuid_t	key; /* hash of these three */
	const char *type;
	const char *routing_key;
	const char *mapping;
	int64		events;
	TimestampTz last; /* and the event that happened then */
	pg_uuid_t	example;
} Kind;

typedef struct Unmapped
{
	HTAB *kinds;
	Kind  others; /* those for which there is no room */
} Unmapped;

static pg_uuid_t
kind_key(const char *type, const char *routing_key, const char *mapping)
{
	const char	  *parts[] = {type, routing_key, mapping};
	StringInfoData bytes;
	pg_uuid_t	   key;
	CdrDigest	   digest;

	initStringInfo(&bytes);
	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		appendStringInfoChar(&bytes, parts[i] != NULL);
		appendBinaryStringInfo(&bytes, parts[i] ? parts[i] : "",
							   parts[i] ? (int) strlen(parts[i]) + 1 : 1);
	}
	cdr_identity_of(NULL, 0, bytes.data, bytes.len, &key, &digest);
	return key;
}

static const char *
keep_text(const char *text, MemoryContext context)
{
	return text != NULL ? MemoryContextStrdup(context, text) : NULL;
}

static void
count_event(Kind *kind, const CdrEvent *event)
{
	kind->events++;
	if (kind->events > 1 && event->time <= kind->last)
		return;
	kind->last = event->time;
	kind->example = event->id;
}

/* The name of the mapping that the row in hand was read by; NULL: by none. */
static const char *
mapping_name(const CdrCursor *cursor)
{
	bool  isnull;
	Datum id = cdr_cursor_value(cursor, CDR_LOG_MAPPING, &isnull);

	return isnull ? NULL : cdr_mappings_name(DatumGetInt32(id));
}

/* The row in hand, in a context that is reset after it. */
static void
count_row(Unmapped *unmapped, const CdrCursor *cursor, MemoryContext into)
{
	CdrEvent   *event = cdr_log_event(cursor, "");
	const char *type = cdr_log_text(cursor, UNMAPPED_EVENT_TYPE);
	const char *mapping = mapping_name(cursor);
	const char *routing_key = event->message->routing_key;
	pg_uuid_t	key;
	Kind	   *kind;
	bool		found;

	if (event->nfacts > 0)
		return;
	key = kind_key(type, routing_key, mapping);
	kind = hash_search(unmapped->kinds, &key, HASH_FIND, NULL);
	if (kind == NULL && hash_get_num_entries(unmapped->kinds) >= KINDS_MAX)
		kind = &unmapped->others;
	else if (kind == NULL)
	{
		kind = hash_search(unmapped->kinds, &key, HASH_ENTER, &found);
		kind->events = 0;
		kind->type = keep_text(type, into);
		kind->routing_key = keep_text(routing_key, into);
		kind->mapping = keep_text(mapping, into);
	}
	count_event(kind, event);
}

static void
return_kind(ReturnSetInfo *info, Kind *kind)
{
	const char *texts[] = {kind->type, kind->routing_key, kind->mapping};
	Datum		values[UNMAPPED_COLUMNS];
	bool		nulls[UNMAPPED_COLUMNS] = {false};

	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	values[3] = Int64GetDatum(kind->events);
	values[4] = TimestampTzGetDatum(kind->last);
	values[5] = UUIDPGetDatum(&kind->example);
	CDR_PUT_ROW(info, values, nulls);
}

static void
return_kinds(ReturnSetInfo *info, Unmapped *unmapped)
{
	HASH_SEQ_STATUS scan;
	Kind		   *kind;

	hash_seq_init(&scan, unmapped->kinds);
	while ((kind = hash_seq_search(&scan)) != NULL)
		return_kind(info, kind);
	if (unmapped->others.events > 0)
		return_kind(info, &unmapped->others);
}

static void
count_rows(Unmapped *unmapped, const CdrTables *tables,
		   const CdrArguments *arguments)
{
	MemoryContext into = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(into, "cdr_service event",
												  ALLOCSET_DEFAULT_SIZES);
	CdrCursor	  cursor;

	cdr_cursor_open(
		&cursor,
		psprintf("SELECT " CDR_LOG_EVENT ", e.event_type"
				 " FROM %s.call_events AS e"
				 " WHERE e.time_source <> 'f' AND NOT " CDR_LOG_IS_ERASED "%s",
				 tables->quoted,
				 arguments->count > 0 ? " AND e.recorded_at >= $1" : ""),
		arguments, CDR_AS_CALLER, PORTION);
	while (cdr_cursor_next(&cursor) != NULL)
	{
		MemoryContextSwitchTo(scratch);
		count_row(unmapped, &cursor, into);
		MemoryContextSwitchTo(into);
		MemoryContextReset(scratch);
	}
	cdr_cursor_close(&cursor);
	MemoryContextDelete(scratch);
}

PG_FUNCTION_INFO_V1(cdr_unmapped_types);

/* With the rights of the caller. */
Datum
cdr_unmapped_types(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	HASHCTL		   control = {.keysize = sizeof(pg_uuid_t),
							  .entrysize = sizeof(Kind),
							  .hcxt = CurrentMemoryContext};
	CdrArguments   arguments = {0};
	Unmapped	   unmapped = {0};
	CdrTables	   tables;
	int			   guc_level;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		arguments =
			(CdrArguments){1, false, {TIMESTAMPTZOID}, {PG_GETARG_DATUM(0)}};
	unmapped.kinds = hash_create("cdr_service types", 256, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	guc_level = cdr_reader_query_open(&tables);
	count_rows(&unmapped, &tables, &arguments);
	return_kinds(info, &unmapped);
	cdr_reader_query_close(guc_level);
	hash_destroy(unmapped.kinds);
	return (Datum) 0;
}
