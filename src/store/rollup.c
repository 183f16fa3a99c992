/*-------------------------------------------------------------------------
 *
 * rollup.c
 *	  Counts of calls, in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "store/rollup.h"

static uint32
hash_of_key(const CdrRollupKey *key)
{
	uint32 hash = murmurhash32((uint32) (key->bucket / CDR_QUARTER)) ^
				  (uint32) key->quarters;

	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
	{
		const CdrRollupText *text = &key->text[i];

		if (text->data != NULL)
			hash = hash_combine(
				hash,
				hash_bytes((const unsigned char *) text->data, text->length));
		else
			hash = hash_combine(hash, 1);
	}
	return hash;
}

bool
cdr_rollup_is_same(const CdrRollupKey *a, const CdrRollupKey *b)
{
	if (a->bucket != b->bucket || a->quarters != b->quarters)
		return false;
	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
	{
		if ((a->text[i].data == NULL) != (b->text[i].data == NULL) ||
			a->text[i].length != b->text[i].length ||
			memcmp(a->text[i].data ? a->text[i].data : "",
				   b->text[i].data ? b->text[i].data : "",
				   a->text[i].length) != 0)
			return false;
	}
	return true;
}

#define SH_PREFIX			 rollup_hash
#define SH_ELEMENT_TYPE		 CdrRollupEntry
#define SH_KEY_TYPE			 CdrRollupKey
#define SH_KEY				 key
#define SH_HASH_KEY(tb, key) hash_of_key(&(key))
#define SH_EQUAL(tb, a, b)	 cdr_rollup_is_same(&(a), &(b))
#define SH_STORE_HASH
#define SH_GET_HASH(tb, entry) (entry)->hash
#define SH_SCOPE			   static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Buckets of a new table: a batch of the worker has some hundred keys. */
#define FIRST_SIZE 128

CdrRollup *
cdr_rollup_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "cdr_service rollup",
												  ALLOCSET_DEFAULT_SIZES);
	CdrRollup	 *rollup = MemoryContextAllocZero(context, sizeof(CdrRollup));

	rollup->context = context;
	rollup->entries = rollup_hash_create(context, FIRST_SIZE, NULL);
	return rollup;
}

void
cdr_rollup_free(CdrRollup *rollup)
{
	MemoryContextDelete(rollup->context);
}

void
cdr_rollup_clear(CdrRollup *rollup)
{
	CdrRollupCursor cursor = {rollup, 0};
	CdrRollupEntry *entry;

	while ((entry = cdr_rollup_next(&cursor)) != NULL)
	{
		for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
		{
			if (entry->key.text[i].data != NULL)
				pfree(unconstify(char *, entry->key.text[i].data));
		}
	}
	rollup_hash_reset(rollup->entries);
	rollup->bytes = 0;
}

uint32
cdr_rollup_size(const CdrRollup *rollup)
{
	return rollup->entries->members;
}

size_t
cdr_rollup_memory(const CdrRollup *rollup)
{
	return rollup->entries->size * sizeof(CdrRollupEntry) + rollup->bytes;
}

CdrRollupEntry *
cdr_rollup_find(CdrRollup *rollup, const CdrRollupKey *key)
{
	return rollup_hash_lookup(rollup->entries, *key);
}

/* The key with texts of its own.  An error leaves the table without the key. */
static CdrRollupKey
copy_key(CdrRollup *rollup, const CdrRollupKey *key)
{
	CdrRollupKey copy = *key;

	for (int i = 0; i < CDR_ROLLUP_NDIMENSIONS; i++)
	{
		CdrRollupText *text = &copy.text[i];
		char		  *data;

		if (text->data == NULL)
			continue;
		data = MemoryContextAlloc(rollup->context, Max(text->length, 1));
		memcpy(data, text->data, text->length);
		text->data = data;
		rollup->bytes += text->length;
	}
	return copy;
}

CdrRollupEntry *
cdr_rollup_entry(CdrRollup *rollup, const CdrRollupKey *key)
{
	CdrRollupEntry *entry = cdr_rollup_find(rollup, key);
	bool			found;

	if (entry != NULL)
		return entry;
	entry = rollup_hash_insert(rollup->entries, copy_key(rollup, key), &found);
	memset(entry->counts, 0, sizeof(entry->counts));
	return entry;
}

void
cdr_rollup_add(int64 *counts, const int64 *added, int sign)
{
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
		counts[i] =
			(int64) (sign > 0 ? (uint64) counts[i] + (uint64) added[i]
							  : (uint64) counts[i] - (uint64) added[i]);
}

/* All or nothing: what may fail for want of memory comes first. */
void
cdr_rollup_join(CdrRollup *rollup, const CdrRollup *added, int sign)
{
	CdrRollupCursor cursor = {added, 0};
	CdrRollupEntry *entry;

	while ((entry = cdr_rollup_next(&cursor)) != NULL)
		(void) cdr_rollup_entry(rollup, &entry->key);
	cursor = (CdrRollupCursor){added, 0};
	while ((entry = cdr_rollup_next(&cursor)) != NULL)
		cdr_rollup_add(cdr_rollup_find(rollup, &entry->key)->counts,
					   entry->counts, sign);
}

bool
cdr_rollup_is_zero(const CdrRollupEntry *entry)
{
	for (int i = 0; i < CDR_ROLLUP_NMEASURES; i++)
	{
		if (entry->counts[i] != 0)
			return false;
	}
	return true;
}

void
cdr_rollup_bound(CdrRollup *rollup, const CdrRollupDrain *drain)
{
	if (drain == NULL || (cdr_rollup_size(rollup) < CDR_ROLLUP_KEYS_AT_MOST &&
						  rollup->bytes < CDR_ROLLUP_BYTES_AT_MOST))
		return;
	drain->take(rollup, drain->argument);
	cdr_rollup_clear(rollup);
}

CdrRollupEntry *
cdr_rollup_next(CdrRollupCursor *cursor)
{
	const rollup_hash_hash *table = cursor->rollup->entries;

	while (cursor->place < table->size)
	{
		CdrRollupEntry *entry = &table->data[cursor->place++];

		if (entry->status == rollup_hash_SH_IN_USE)
			return entry;
	}
	return NULL;
}
