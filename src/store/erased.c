/*-------------------------------------------------------------------------
 *
 * erased.c
 *	  Events of calls that were erased, which come late or again.
 *
 * While a key of pseudonyms lives, an event that names an erased call is known by
 * the pseudonym of that call.  It is recorded under pseudonyms and without its content:
 * so one that was there before is found, one that is new counts in its call, and
 * nothing comes back.
 *
 * Where nobody was erased, that costs a look at a flag.  Which keys there are is looked
 * up when a table was changed, and cdr_erase() says that it has changed theirs.  It
 * has locked calls to the end of its transaction, as whoever records has before he
 * looks: so whatever he records, he has seen all erasures before it.
 *
 * The tables are read as catalogs are, with the rights of nobody: who records events
 * need not be able to read keys.  What is read is what is committed by now, whatever
 * the transaction sees else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/pseudonym.h"
#include "call/erased.h"
#include "store/erased.h"
#include "store/order.h"
#include "store/unsealed.h"

#define KEYS_TABLE	"cdr_erasure_keys"
#define CALLS_TABLE "cdr_erased_calls"

/* Keys are made each month, and destroyed by and by. */
#define KEYS_MAX 1200

bool cdr_erased_have_keys = false;

/* What was looked up; empty where the library cannot tell calls that were erased. */
static bool				is_known = false;
static bool				is_watched = false;
static CdrPseudonymKey *erasure_keys = NULL;
static int				nkeys = 0;
static Oid				erased_calls = InvalidOid;
static Oid				erased_index = InvalidOid;

static void
forget_keys(Datum argument, Oid table)
{
	is_known = false;
}

/* The column of a name and type, if the table has it. */
static AttrNumber
column_of(Oid table, const char *name, Oid type)
{
	AttrNumber number = get_attnum(table, name);

	return number != InvalidAttrNumber && get_atttype(table, number) == type
			   ? number
			   : InvalidAttrNumber;
}

/* Takes a key of the table. */
static void
take_key(Datum value)
{
	bytea *bytes = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(bytes) != CDR_PSEUDONYM_KEY_SIZE)
		return;
	if (nkeys == KEYS_MAX)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("table \"%s\" has more than %d keys",
							   KEYS_TABLE, KEYS_MAX),
						errhint("Destroy old ones with "
								"cdr_destroy_erasure_key().")));
	if (erasure_keys == NULL)
		erasure_keys = MemoryContextAlloc(TopMemoryContext,
										  KEYS_MAX * sizeof(CdrPseudonymKey));
	memcpy(erasure_keys[nkeys++].data, VARDATA_ANY(bytes),
		   CDR_PSEUDONYM_KEY_SIZE);
}

static void
read_keys(Oid table, AttrNumber column)
{
	Relation	rel = table_open(table, AccessShareLock);
	SysScanDesc scan =
		systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		bool  isnull;
		Datum value =
			heap_getattr(row, column, RelationGetDescr(rel), &isnull);

		if (!isnull)
			take_key(value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
look_for_keys(const CdrTables *tables)
{
	Oid		   keys_table = get_relname_relid(KEYS_TABLE, tables->schema);
	AttrNumber column;

	/* whatever is left of those that were there */
	if (erasure_keys != NULL)
		memset(erasure_keys, 0, KEYS_MAX * sizeof(CdrPseudonymKey));
	nkeys = 0;
	if (!cdr_evidence_table_is_ours(tables, KEYS_TABLE) ||
		!cdr_evidence_table_is_ours(tables, CALLS_TABLE))
		return;
	erased_calls = get_relname_relid(CALLS_TABLE, tables->schema);
	erased_index = get_relname_relid(CALLS_TABLE "_pkey", tables->schema);
	if (!OidIsValid(erased_index) ||
		IndexGetRelation(erased_index, true) != erased_calls)
		erased_index = InvalidOid;
	column = column_of(keys_table, "key", BYTEAOID);
	if (column == InvalidAttrNumber ||
		column_of(erased_calls, "call_id", TEXTOID) == InvalidAttrNumber)
		return;
	read_keys(keys_table, column);
}

void
cdr_erased_open(const CdrTables *tables)
{
	if (is_known)
		return;
	if (!is_watched)
		CacheRegisterRelcacheCallback(forget_keys, (Datum) 0);
	is_watched = true;
	cdr_erased_have_keys = false;
	/* before, so that what changes meanwhile is looked up again */
	is_known = true;
	PG_TRY();
	{
		look_for_keys(tables);
	}
	PG_CATCH();
	{
		is_known = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	cdr_erased_have_keys = nkeys > 0;
}

/* Is that the pseudonym of a call that was erased? */
static bool
is_erased_call(Relation rel, Snapshot snapshot, const char *pseudonym)
{
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, column_of(RelationGetRelid(rel), "call_id", TEXTOID),
				BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(pseudonym));
	scan = systable_beginscan(rel, erased_index, OidIsValid(erased_index),
							  snapshot, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	return found;
}

/* The key by which a call was erased, and its pseudonym; NULL: it was not. */
static const CdrPseudonymKey *
key_of_call(Relation rel, Snapshot snapshot, const char *call_id,
			char *pseudonym)
{
	for (int i = 0; i < nkeys; i++)
	{
		cdr_pseudonym_of_call(&erasure_keys[i], call_id, strlen(call_id),
							  pseudonym);
		if (is_erased_call(rel, snapshot, pseudonym))
			return &erasure_keys[i];
	}
	return NULL;
}

static CdrEvent *
erase_event(const CdrEvent *event, const CdrPseudonymKey *key,
			const char *pseudonym)
{
	CdrEvent *erased = palloc(sizeof(CdrEvent));

	*erased = *event;
	erased->erased = palloc0(sizeof(CdrErasure));
	erased->erased->as_came = event;
	erased->call_id = pstrdup(pseudonym);
	cdr_pseudonym_of_event(key, &event->id, &erased->id);
	cdr_event_erase(erased);
	return erased;
}

int
cdr_erased_recognise(CdrEvent **events, int count)
{
	Relation			   rel = table_open(erased_calls, AccessShareLock);
	Snapshot			   snapshot;
	const CdrPseudonymKey *key = NULL;
	const char			  *last = "";
	char				   pseudonym[CDR_PSEUDONYM_CALL_SIZE];
	bool				   any = false;

	snapshot = RegisterSnapshot(GetCatalogSnapshot(erased_calls));
	for (int i = 0; i < count; i++)
	{
		const char *call_id = events[i]->call_id;

		if (call_id[0] == '\0')
			continue;
		if (strcmp(call_id, last) != 0)
			key = key_of_call(rel, snapshot, call_id, pseudonym);
		last = call_id;
		if (key == NULL)
			continue;
		events[i] = erase_event(events[i], key, pseudonym);
		any = true;
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return any ? cdr_sort_events(events, count) : count;
}
