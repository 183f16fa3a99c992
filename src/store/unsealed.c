/*-------------------------------------------------------------------------
 *
 * unsealed.c
 *	  The table cdr_unsealed: leaves of events that wait for their seal.
 *
 * Whoever records events puts their leaves into this table, in the same
 * transaction: so what rolls back leaves nothing, and who seals takes exactly what is
 * committed.  Nothing waits for anything: there is no chain through rows.
 *
 * The events of one batch have times of recording that no other event has, and
 * those of one day lie between two of them: so a range of times names them.
 *
 * Many events of a day are sealed at once: what waits are the roots of each 8 leaves,
 * from which their root follows, and what is left to do is to put that into the log.
 * This is an eighth of the bytes, twice, and the sealer hashes an eighth.  But where
 * others may have been recorded at the same times, a seal has to list its leaves, and
 * they wait as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/guc.h"
#include "evidence/leaf.h"
#include "evidence/tree.h"
#include "store/unsealed.h"

/* So many events of a day, in one batch, are sealed at once. */
#define SEALED_AT_ONCE 256

/* Days whose last seal is remembered. */
#define DAYS_KNOWN 4

static CdrStatement insert_leaves = {
	.sql = "INSERT INTO %1$s.cdr_unsealed"
		   " (lo, hi, day, source, n, leaves, groups)"
		   " SELECT * FROM %2$s",
	.has_rows = true,
	.ncolumns = 7,
	.types = {TIMESTAMPTZOID, TIMESTAMPTZOID, DATEOID, TEXTOID, INT4OID,
			  BYTEAARRAYOID, BYTEAARRAYOID},
};

/* Up to when events of a day were recorded that are sealed, or wait for it. */
static CdrStatement find_last = {
	.sql = "SELECT GREATEST("
		   "(SELECT max(hi) FROM %1$s.cdr_seals WHERE day = $1),"
		   " (SELECT max(hi) FROM %1$s.cdr_unsealed WHERE day = $1))",
	.ncolumns = 1,
	.types = {DATEOID},
};

CdrStatement *const cdr_unsealed_statements[] = {&insert_leaves, &find_last,
												 NULL};

/* Are leaves wanted, in this transaction?  And their seals: the table of these, or
 * InvalidOid. */
static bool is_wanted = false;
static Oid	seals_table = InvalidOid;

/* What find_last has found.  All that is recorded later, while the server is up, has
 * times of its own, or recording.c says that it has not. */
typedef struct LastOfDay
{
	Oid			table; /* of seals; InvalidOid: none */
	DateADT		day;
	TimestampTz last;
} LastOfDay;

static LastOfDay known[DAYS_KNOWN];
static int		 next_known = 0;

bool
cdr_evidence_table_is_ours(const CdrTables *tables, const char *name)
{
	Oid			  table = get_relname_relid(name, tables->schema);
	HeapTuple	  tuple;
	Form_pg_class form;
	bool		  is_ours;

	if (!OidIsValid(table))
		return false;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	/* somebody else's would see what comes, and could refuse it */
	is_ours = form->relkind == RELKIND_RELATION &&
			  form->relpersistence == RELPERSISTENCE_PERMANENT &&
			  form->relowner == tables->owner;
	ReleaseSysCache(tuple);
	return is_ours;
}

void
cdr_unsealed_open(const CdrTables *tables)
{
	is_wanted =
		cdr_evidence && cdr_evidence_table_is_ours(tables, "cdr_unsealed");
	seals_table = InvalidOid;
	if (is_wanted && cdr_evidence_table_is_ours(tables, "cdr_seals"))
		seals_table = get_relname_relid("cdr_seals", tables->schema);
}

static CdrField
field_of_text(const char *text)
{
	return (CdrField){text, text == NULL ? 0 : strlen(text)};
}

void
cdr_unsealed_mark(CdrEvent *event, const CdrMark *mark, const char *headers,
				  const char *properties)
{
	const CdrMessage *message = event->message;
	const CdrEvent	 *as_came = event;
	CdrLeafFields	  fields;
	CdrDigest		  content;

	event->recorded_at = mark->recorded_at;
	if (!is_wanted && event->erased == NULL)
		return;
	/* of one that is erased, the digest of what is not stored */
	if (event->erased != NULL)
		as_came = event->erased->as_came;
	fields.event_time = event->time;
	fields.received_at = message->received_at;
	fields.recorded_at = mark->recorded_at;
	fields.time_source = event->time_source;
	fields.event_type = field_of_text(event->type);
	fields.tenant_id = field_of_text(event->tenant_id);
	fields.salt = mark->salt;
	fields.event_id = as_came->id;
	fields.message_id =
		(CdrField){message->message_id, message->message_id_length};
	fields.call_id = field_of_text(as_came->call_id);
	fields.trace_id = field_of_text(event->trace_id);
	fields.routing_key = field_of_text(message->routing_key);
	fields.content_type = field_of_text(message->content_type);
	fields.headers = field_of_text(headers);
	fields.properties = field_of_text(properties);
	fields.body = (CdrField){message->body, message->body_length};
	/* no body is hashed twice */
	fields.body_digest = message->id == NULL ? &event->digest : NULL;
	cdr_content_digest(&fields, &content);
	if (event->erased != NULL)
		event->erased->content = content;
	cdr_leaf_hash(&fields, &content, &event->leaf);
}

static int
compare_recorded(const void *a, const void *b)
{
	const CdrEvent *x = *(CdrEvent *const *) a;
	const CdrEvent *y = *(CdrEvent *const *) b;

	return (x->recorded_at > y->recorded_at) -
		   (x->recorded_at < y->recorded_at);
}

/* The day of an event, of UTC. */
static DateADT
day_in_utc(TimestampTz time)
{
	TimestampTz day = time / USECS_PER_DAY;

	if (TIMESTAMP_IS_NOEND(time))
		return DATEVAL_NOEND;
	if (TIMESTAMP_IS_NOBEGIN(time))
		return DATEVAL_NOBEGIN;
	return (DateADT) (time % USECS_PER_DAY < 0 ? day - 1 : day);
}

/* Who brings the events, as the log of seals says it. */
static const char *
source_of_events(void)
{
	return MyBackendType == B_BG_WORKER
			   ? "broker"
			   : psprintf("sql:%s",
						  GetUserNameFromId(GetSessionUserId(), false));
}

static TimestampTz
last_of_day(DateADT day)
{
	Datum parameter = DateADTGetDatum(day);
	bool  isnull;
	Datum last;

	for (int i = 0; i < DAYS_KNOWN; i++)
	{
		if (known[i].table == seals_table && known[i].day == day)
			return known[i].last;
	}
	cdr_statement_execute(&find_last, &parameter, NULL, SPI_OK_SELECT);
	last = cdr_result(0, 1, &isnull);
	known[next_known] = (LastOfDay){
		seals_table, day, isnull ? DT_NOBEGIN : DatumGetTimestampTz(last)};
	SPI_freetuptable(SPI_tuptable);
	next_known = (next_known + 1) % DAYS_KNOWN;
	return known[(next_known + DAYS_KNOWN - 1) % DAYS_KNOWN].last;
}

/* Have some events of a day, the first of which is given, their times alone? */
static bool
is_alone(const CdrEvent *first)
{
	return OidIsValid(seals_table) &&
		   cdr_recording_is_alone(first->recorded_at) &&
		   first->recorded_at > last_of_day(day_in_utc(first->time));
}

static Datum
hashes_of_events(CdrEvent **events, int count)
{
	Datum *hashes = palloc(count * sizeof(Datum));

	for (int i = 0; i < count; i++)
		hashes[i] = PointerGetDatum(cstring_to_text_with_len(
			(const char *) events[i]->leaf.data, sizeof(CdrDigest)));
	return PointerGetDatum(
		construct_array(hashes, count, BYTEAOID, -1, false, TYPALIGN_INT));
}

/* The roots of each 8 of them. */
static Datum
groups_of_events(CdrEvent **events, int count)
{
	int	   ngroups = (count + CDR_GROUP_SIZE - 1) / CDR_GROUP_SIZE;
	Datum *hashes = palloc(ngroups * sizeof(Datum));

	for (int i = 0; i < ngroups; i++)
	{
		CdrDigest leaves[CDR_GROUP_SIZE];
		CdrDigest root;
		int		  first = i * CDR_GROUP_SIZE;
		int		  n = Min(count - first, CDR_GROUP_SIZE);

		for (int k = 0; k < n; k++)
			leaves[k] = events[first + k]->leaf;
		cdr_tree_root(leaves, n, &root);
		hashes[i] = PointerGetDatum(cstring_to_text_with_len(
			(const char *) root.data, sizeof(CdrDigest)));
	}
	return PointerGetDatum(
		construct_array(hashes, ngroups, BYTEAOID, -1, false, TYPALIGN_INT));
}

/* A row for events of one day. */
static void
put_leaves(CdrRows *rows, CdrEvent **events, int count, const char *source,
		   bool is_sealed)
{
	cdr_row_put_time(rows, 0, events[0]->recorded_at);
	cdr_row_put_time(rows, 1, events[count - 1]->recorded_at);
	cdr_row_put(rows, 2, DateADTGetDatum(day_in_utc(events[0]->time)), false);
	cdr_row_put_text(rows, 3, source);
	cdr_row_put(rows, 4, Int32GetDatum(count), false);
	cdr_row_put(rows, 5, is_sealed ? 0 : hashes_of_events(events, count),
				is_sealed);
	cdr_row_put(rows, 6, is_sealed ? groups_of_events(events, count) : 0,
				!is_sealed);
	cdr_row_end(rows);
}

/* Also of no events: that shows whether the table takes any. */
void
cdr_unsealed_add(CdrEvent **events, int count)
{
	CdrEvent  **sorted;
	CdrRows	   *rows;
	const char *source;
	int			next;

	if (!is_wanted)
		return;
	sorted = palloc(Max(count, 1) * sizeof(CdrEvent *));
	memcpy(sorted, events, count * sizeof(CdrEvent *));
	qsort(sorted, count, sizeof(CdrEvent *), compare_recorded);
	rows = cdr_rows_begin(&insert_leaves);
	source = source_of_events();
	for (int i = 0; i < count; i = next)
	{
		DateADT day = day_in_utc(sorted[i]->time);

		next = i + 1;
		while (next < count && day_in_utc(sorted[next]->time) == day)
			next++;
		put_leaves(rows, sorted + i, next - i, source,
				   next - i >= SEALED_AT_ONCE && is_alone(sorted[i]));
	}
	cdr_rows_execute(rows, SPI_OK_INSERT);
}
