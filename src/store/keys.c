/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  The keys of events that a statement returns: call and identity.
 *
 * Both, because an identity that a message or a mapping brings may stand in events
 * of several calls, which are several events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "store/keys.h"
#include "store/statement.h"

static int
compare_event_keys(const void *a, const void *b)
{
	const CdrEventKey *x = a;
	const CdrEventKey *y = b;
	int				   result = memcmp(x->id.data, y->id.data, UUID_LEN);

	return result != 0 ? result : strcmp(x->call_id, y->call_id);
}

void
cdr_sort_keys(CdrEventKey *keys, int count)
{
	qsort(keys, count, sizeof(CdrEventKey), compare_event_keys);
}

void
cdr_keys_add_result(CdrEventKey *keys, int *count)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		 isnull;
		CdrEventKey *key = &keys[(*count)++];

		key->call_id = TextDatumGetCString(cdr_result(row, 1, &isnull));
		key->id = *DatumGetUUIDP(cdr_result(row, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

CdrEventKey *
cdr_result_keys(int *count)
{
	CdrEventKey *keys = palloc(Max(SPI_processed, 1) * sizeof(CdrEventKey));

	*count = 0;
	cdr_keys_add_result(keys, count);
	cdr_sort_keys(keys, *count);
	return keys;
}

bool
cdr_is_among(const CdrEvent *event, const CdrEventKey *keys, int count)
{
	CdrEventKey sought = {.call_id = event->call_id, .id = event->id};

	return bsearch(&sought, keys, count, sizeof(CdrEventKey),
				   compare_event_keys) != NULL;
}
