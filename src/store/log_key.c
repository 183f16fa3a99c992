/*-------------------------------------------------------------------------
 *
 * log_key.c
 *	  The key of a row of the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "store/chosen_calls.h"
#include "store/log_key.h"

int
cdr_log_key_compare(const CdrLogKey *a, const CdrLogKey *b)
{
	int order = strcmp(a->call_id, b->call_id);

	if (order == 0)
		order = memcmp(a->event_id.data, b->event_id.data, UUID_LEN);
	if (order == 0)
		order = (a->time > b->time) - (a->time < b->time);
	return order;
}

static int
compare_keys_of_log(const void *a, const void *b)
{
	return cdr_log_key_compare(a, b);
}

int
cdr_log_keys_sort(CdrLogKey *keys, int count)
{
	int kept = 0;

	qsort(keys, count, sizeof(CdrLogKey), compare_keys_of_log);
	for (int i = 0; i < count; i++)
	{
		if (kept == 0 || cdr_log_key_compare(&keys[kept - 1], &keys[i]) != 0)
			keys[kept++] = keys[i];
	}
	return kept;
}

/* An array of what keys have. */
static Datum
array_of(Datum *values, int count, Oid type)
{
	if (type == TEXTOID)
		return cdr_text_array(values, count);
	if (type == UUIDOID)
		return PointerGetDatum(construct_array(values, count, type, UUID_LEN,
											   false, TYPALIGN_CHAR));
	return PointerGetDatum(construct_array(values, count, type,
										   sizeof(TimestampTz),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

CdrArguments
cdr_log_key_arguments(const CdrLogKey *keys, int count, int nparameters)
{
	CdrArguments arguments = {
		nparameters,
		true,
		{TEXTARRAYOID, UUIDARRAYOID, TIMESTAMPTZARRAYOID},
		{0}};
	Datum *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = CStringGetTextDatum(keys[i].call_id);
	arguments.values[0] = array_of(values, count, TEXTOID);
	for (int i = 0; i < count; i++)
		values[i] = UUIDPGetDatum(&keys[i].event_id);
	arguments.values[1] = array_of(values, count, UUIDOID);
	for (int i = 0; i < count; i++)
		values[i] = TimestampTzGetDatum(keys[i].time);
	arguments.values[2] = array_of(values, count, TIMESTAMPTZOID);
	return arguments;
}
