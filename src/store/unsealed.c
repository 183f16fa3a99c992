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
#include "store/unsealed.h"

static CdrStatement insert_leaves = {
	.sql = "INSERT INTO %1$s.cdr_unsealed (lo, hi, day, source, n, leaves)"
		   " SELECT * FROM %2$s",
	.has_rows = true,
	.ncolumns = 6,
	.types = {TIMESTAMPTZOID, TIMESTAMPTZOID, DATEOID, TEXTOID, INT4OID,
			  BYTEAARRAYOID},
};

CdrStatement *const cdr_unsealed_statements[] = {&insert_leaves, NULL};

/* Are leaves wanted, in this transaction? */
static bool is_wanted = false;

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

/* A row for events of one day. */
static void
put_leaves(CdrRows *rows, CdrEvent **events, int count, const char *source)
{
	Datum *leaves = palloc(count * sizeof(Datum));

	for (int i = 0; i < count; i++)
		leaves[i] = PointerGetDatum(cstring_to_text_with_len(
			(const char *) events[i]->leaf.data, sizeof(CdrDigest)));
	cdr_row_put_time(rows, 0, events[0]->recorded_at);
	cdr_row_put_time(rows, 1, events[count - 1]->recorded_at);
	cdr_row_put(rows, 2, DateADTGetDatum(day_in_utc(events[0]->time)), false);
	cdr_row_put_text(rows, 3, source);
	cdr_row_put(rows, 4, Int32GetDatum(count), false);
	cdr_row_put(rows, 5,
				PointerGetDatum(construct_array(leaves, count, BYTEAOID, -1,
												false, TYPALIGN_INT)),
				false);
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
		put_leaves(rows, sorted + i, next - i, source);
	}
	cdr_rows_execute(rows, SPI_OK_INSERT);
}
